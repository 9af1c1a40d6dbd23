import { useState } from 'preact/hooks'
import type { Button } from '../api/types.ts'
import { bodyOf, sure } from '../runs/actions.tsx'
import { act, useRun } from '../runs/store.ts'
import type { Answer } from './conversation.ts'
import { type Press, press } from './press.ts'
import { choose } from './store.ts'

/**
 * The buttons that came with an answer. Those for its own run are on the run's card, which knows what is
 * possible now; the rest decide on another run, or say their value.
 */
export function Buttons({ answer }: { answer: Answer }) {
  const rows = answer.buttons.map((row) => row.filter((button) => !answer.run || press(button.value)?.run !== answer.run))
  if (!rows.some((row) => row.length > 0)) return null
  return (
    <div class="buttons">
      {rows.map((row, i) => (
        <div key={i} class="row">{row.map((button) => {
          const what = press(button.value)
          return what ? <Decide key={button.value} button={button} what={what} /> : <Choice key={button.value} button={button} />
        })}</div>
      ))}
    </div>
  )
}

function Choice({ button }: { button: Button }) {
  return <button type="button" class={button.style ?? ''} onClick={() => void choose(button.value)}>{button.label}</button>
}

/** A button about a run, usable while the run allows it. */
function Decide({ button, what }: { button: Button; what: Press }) {
  const { run } = useRun(what.run)
  const [busy, setBusy] = useState(false)
  const changed = what.digest !== '' && !run?.digest?.startsWith(what.digest)
  const decide = async () => {
    if (!run) return
    setBusy(true)
    if (what.verb !== 'undo' || (await sure(run))) await act(run, what.verb, bodyOf(run, what.verb))
    setBusy(false)
  }
  const off = busy || !run?.can?.[what.verb] || (what.verb === 'approve' && changed)
  return <button type="button" class={button.style ?? ''} disabled={off} onClick={() => void decide()}>{button.label}</button>
}
