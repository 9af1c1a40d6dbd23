import { useState } from 'preact/hooks'
import type { Run } from '../api/types.ts'
import { t } from '../i18n.ts'
import { Fields } from '../ui/fields.tsx'
import { Icon } from '../ui/icon.tsx'
import { tell } from '../ui/toast.tsx'
import { type Values, changed, valuesOf } from '../ui/values.ts'
import { steps } from './fold.ts'
import { act } from './store.ts'

/** Changes parameters of a plan that waits for approval. It goes on waiting, under another digest. */
export function EditPlan({ run }: { run: Run }) {
  const [seen, setSeen] = useState<Run | undefined>()
  if (!run.can?.edit) return null
  if (!seen) {
    return <div class="actions"><button type="button" onClick={() => setSeen(run)}><Icon of="edit" />{t('edit.open')}</button></div>
  }
  return <Form run={seen} close={() => setSeen(undefined)} />
}

interface Group {
  prefix: string
  title: string
  values: Values
}

/** What of a plan can be changed: its own parameters and those of its steps, unless another run did them. */
function groups(run: Run): Group[] {
  const all = steps(run).filter((step) => !step.taken).map((step) => ({ prefix: `${step.id}.`, title: step.title || step.id, values: valuesOf(step.params) }))
  return [{ prefix: 'params.', title: t('plan.params'), values: valuesOf(run.params) }, ...all].filter(({ values }) => Object.keys(values).length > 0)
}

/** The run is the one that was seen when the form opened: its digest goes along, so that nobody changes a plan unseen. */
function Form({ run, close }: { run: Run; close: () => void }) {
  const [texts, setTexts] = useState<Record<string, string>>({})
  const [busy, setBusy] = useState(false)
  const all = groups(run)
  const set: Values = Object.assign({}, ...all.map(({ prefix, values }) => changed(prefix, values, texts)))
  const save = async (approve: boolean) => {
    setBusy(true)
    const done = await act(run, 'edit', { digest: run.digest, set, approve })
    setBusy(false)
    if (done) tell(t('edit.done'))
    if (done) close()
  }
  const idle = busy || Object.keys(set).length === 0
  return (
    <form class="editplan" aria-label={t('edit.title')} onSubmit={(e) => (e.preventDefault(), void save(false))}>
      <p class="hint">{t('edit.text')}</p>
      {all.map(({ prefix, title, values }) => (
        <fieldset key={prefix}>
          <legend>{title}</legend>
          <Fields values={values} prefix={prefix} texts={texts} type={(name, text) => setTexts({ ...texts, [name]: text })} />
        </fieldset>
      ))}
      <div class="actions">
        <button type="submit" class="primary" disabled={idle}><Icon of="check" />{t('edit.save')}</button>
        <button type="button" disabled={idle} onClick={() => void save(true)}><Icon of="check" />{t('edit.approve')}</button>
        <button type="button" onClick={close}>{t('cancel')}</button>
      </div>
    </form>
  )
}
