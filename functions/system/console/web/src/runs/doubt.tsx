import { useState } from 'preact/hooks'
import type { Run, Step } from '../api/types.ts'
import { t } from '../i18n.ts'
import { ask } from '../ui/ask.tsx'
import { Command } from '../ui/command.tsx'
import { Icon } from '../ui/icon.tsx'
import { act } from './store.ts'

/** How it was found out, or is being, whether a step happened. */
export function Check({ step }: { step: Step }) {
  const check = step.check
  if (!check) return null
  switch (check.state) {
    case 'asking':
      return <span class="proof wait">{t('check.asking', { n: check.tries ?? 0 })}{check.error && ` ${check.error.message}`}</span>
    case 'happened':
      return <span class="proof">{check.by ? t('check.happened.by', { by: check.by }) : t('check.happened')}</span>
    case 'missing':
      return <span class="proof">{check.by ? t('check.missing.by', { by: check.by }) : t('check.missing')}</span>
    default:
      return null
  }
}

/** Lets a person say what became of a step that nobody could tell of. Nothing of the run goes on before that. */
export function Settle({ run, step }: { run: Run; step: Step }) {
  const [busy, setBusy] = useState(false)
  if (!step.settle) return null
  const say = async (did: boolean) => {
    const yes = t(did ? 'settle.did' : 'settle.didnot')
    if (!(await ask({ title: step.title || step.id, text: t(did ? 'settle.did.text' : 'settle.didnot.text'), yes }))) return
    setBusy(true)
    await act(run, 'settle', { step: step.id, did })
    setBusy(false)
  }
  const line = `hearth runs settle ${run.id} ${step.id}`
  return (
    <div class="settle" role="group" aria-label={t('settle')}>
      <p>{t('settle')}</p>
      <div class="actions">
        <span class="action"><button type="button" disabled={busy} onClick={() => void say(true)}><Icon of="check" />{t('settle.did')}</button><Command line={`${line} --happened`} /></span>
        <span class="action"><button type="button" disabled={busy} onClick={() => void say(false)}><Icon of="close" />{t('settle.didnot')}</button><Command line={`${line} --did-not`} /></span>
      </div>
    </div>
  )
}
