import { useState } from 'preact/hooks'
import type { Run, Step } from '../api/types.ts'
import { now } from '../attention.ts'
import { t } from '../i18n.ts'
import { clock } from '../ui/clock.ts'
import { Icon } from '../ui/icon.tsx'
import { time } from './fold.ts'
import { act } from './store.ts'

/** Counts down while a step that cannot be taken back is held back, beside the button that keeps it from going out. */
export function Recall({ run, step }: { run: Run; step: Step }) {
  const [busy, setBusy] = useState(false)
  const until = time(step.wait_until)
  if (step.state !== 'waiting' || until === undefined || until <= now.value) return null
  const stop = async () => {
    setBusy(true)
    await act(run, 'cancel')
    setBusy(false)
  }
  return (
    <div class="recall">
      <span role="timer"><Icon of="clock" />{t('recall', { n: Math.ceil((until - now.value) / 1000), at: clock(until, true) })}</span>
      {run.can?.cancel && <button type="button" class="danger" disabled={busy} onClick={() => void stop()}><Icon of="stop" />{t('recall.stop')}</button>}
    </div>
  )
}
