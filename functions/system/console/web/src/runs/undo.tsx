import { call } from '../api/call.ts'
import type { Change, Problem, Run, UndoPlan, UndoStep } from '../api/types.ts'
import { name, t } from '../i18n.ts'
import { ask } from '../ui/ask.tsx'
import { full } from '../ui/clock.ts'
import { StepSign } from '../ui/state.tsx'
import { toast } from '../ui/toast.tsx'
import { time } from './fold.ts'

/** Shows what an undo of the run would do now, and asks whether it shall. */
export async function askUndo(run: Run): Promise<boolean> {
  try {
    const plan = await call<UndoPlan>(`system-tasks/runs/${run.id}/preview`, { method: 'POST', body: {}, timeout: 60_000 })
    return await ask({
      title: t('ask.undo'), text: t(plan.can ? 'ask.undo.text' : 'ask.undo.none'), yes: t('verb.undo'), more: <Preview plan={plan} />, blocked: !plan.can,
    })
  } catch (err) {
    toast(err)
    return false
  }
}

function Preview({ plan }: { plan: UndoPlan }) {
  return (
    <ol class="undoplan" tabindex={0} aria-label={t('undo.plan')}>
      {(plan.steps ?? []).map((step) => (
        <li key={step.id}>
          <StepSign state={step.state} />
          <div>
            <strong>{step.title || step.id}</strong>
            {step.summary && <small>{step.summary}</small>}
            <Verdict step={step} />
          </div>
        </li>
      ))}
    </ol>
  )
}

/** What becomes of one step: how it is taken back and until when, or why it is not. */
function Verdict({ step }: { step: UndoStep }) {
  const until = time(step.until)
  if (step.blocked) return <span class="proof bad">{name('blocked', step.blocked)}</span>
  return (
    <>
      {step.would && <span class="proof">{step.would}</span>}
      {step.look && step.look !== 'ready' && <span class="proof bad">{name('look', step.look)}</span>}
      {step.problem && <Refusal problem={step.problem} />}
      {until !== undefined && <span class="proof">{t('undo.until', { at: full(until) })}</span>}
    </>
  )
}

/** Why an undo refuses: in words, and what is not as the step left it. */
export function Refusal({ problem }: { problem: Problem }) {
  return <div class="error"><p>{problem.message}</p><Differences list={problem.changes ?? []} /></div>
}

function Differences({ list }: { list: readonly Change[] }) {
  if (list.length === 0) return null
  return (
    <ul class="differences" aria-label={t('undo.differences')}>
      {list.map((change, i) => (
        <li key={i}>
          <code>{change.what}</code>
          {change.diff?.length ? <pre tabindex={0}>{change.diff.join('\n')}</pre>
            : <span>{t('undo.difference', { then: change.then || '–', now: change.now || '–' })}</span>}
        </li>
      ))}
    </ul>
  )
}
