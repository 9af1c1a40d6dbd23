import { useState } from 'preact/hooks'
import { once } from '../api/once.ts'
import type { Task } from '../api/types.ts'
import { t } from '../i18n.ts'
import { go } from '../navigation.tsx'
import { Fields } from '../ui/fields.tsx'
import { Icon } from '../ui/icon.tsx'
import { toast } from '../ui/toast.tsx'
import { type Values, changed, valuesOf } from '../ui/values.ts'

/** Starts a run of a task, with other values for some of its parameters, and goes to it. */
export async function runTask(task: Task, dry: boolean, params: Values = {}): Promise<void> {
  const answer = await once<{ run: string }>(`system-tasks/${encodeURIComponent(task.task_id)}/run`, { dry_run: dry, params })
  go({ at: 'runs', run: answer.run })
}

/** The parameters of a task with their defaults, and a run with other values. */
export function Params({ task }: { task: Task }) {
  const [texts, setTexts] = useState<Record<string, string>>({})
  const [busy, setBusy] = useState(false)
  const values = valuesOf(task.plan.params)
  if (Object.keys(values).length === 0) return null
  const run = (dry: boolean) => {
    setBusy(true)
    runTask(task, dry, changed('', values, texts)).catch(toast).finally(() => setBusy(false))
  }
  return (
    <section class="panel" aria-label={t('task.params')}>
      <h2>{t('task.params')}</h2>
      <form class="params" onSubmit={(e) => (e.preventDefault(), run(false))}>
        <p class="hint">{t('task.params.text')}</p>
        <Fields values={values} prefix="" texts={texts} type={(name, text) => setTexts({ ...texts, [name]: text })} />
        <div class="actions">
          <button type="submit" disabled={busy}><Icon of="play" />{t('task.params.run')}</button>
          <button type="button" disabled={busy} onClick={() => run(true)}><Icon of="eye" />{t('task.params.dry')}</button>
        </div>
      </form>
    </section>
  )
}
