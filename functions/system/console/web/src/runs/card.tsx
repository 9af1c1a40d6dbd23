import type { Run, Step } from '../api/types.ts'
import { name, t } from '../i18n.ts'
import { Link } from '../navigation.tsx'
import { Icon } from '../ui/icon.tsx'
import { RunPill, StepSign } from '../ui/state.tsx'
import { Actions } from './actions.tsx'
import { Files } from './files.tsx'
import { Check, Settle } from './doubt.tsx'
import { isActive, steps } from './fold.ts'
import { Lines, Radius } from './radius.tsx'
import { Recall } from './recall.tsx'

/** A run as it stands, inside a conversation: the plan while it waits, then its progress, then its receipts. */
export function RunCard({ run }: { run: Run }) {
  const planned = run.state === 'waiting_approval'
  return (
    <section class={`card ${planned ? 'asks' : ''}`} aria-label={title(run)}>
      <header>
        <RunPill state={run.state} />
        <h3>{title(run)}</h3>
        <Dry run={run} />
        <Link to={{ at: 'runs', run: run.id }} class="more">{t('details')}<Icon of="next" /></Link>
      </header>
      {planned ? <Lines run={run} /> : <Receipts run={run} />}
      {planned && <Radius run={run} />}
      <Trouble run={run} />
      <Actions run={run} />
    </section>
  )
}

/** A run in one line, where its card stands further down. */
export function RunLink({ id, text = '' }: { id: string; text?: string }) {
  return <Link to={{ at: 'runs', run: id }} class="runlink"><Icon of="runs" />{text || <code>{id}</code>}<Icon of="next" /></Link>
}

/** Says that nothing was touched. */
export function Dry({ run }: { run: Run }) {
  return run.dry_run ? <span class="pill dim"><Icon of="eye" />{t('task.dry')}</span> : null
}

export function title(run: Run): string {
  return run.title || run.task || run.text || run.id
}

function Receipts({ run }: { run: Run }) {
  return (
    <ul class="receipts">
      {steps(run).map((step) => (
        <li key={step.id}>
          <StepSign state={step.state} />
          <div>
            <span class="what">{step.title || step.id}</span>
            <Proof step={step} active={isActive(run)} />
            <Check step={step} />
            <Recall run={run} step={step} />
            <Settle run={run} step={step} />
            <Files files={step.files} owner={run.user} />
          </div>
        </li>
      ))}
    </ul>
  )
}

/** What a step has to show for itself: its summary, its error, or why its undo failed. */
function Proof({ step, active }: { step: Step; active: boolean }) {
  if (step.state === 'waiting') return null
  const error = step.state === 'undo_failed' ? step.undo?.error : step.attempts?.at(-1)?.error
  if (error && step.state !== 'done') return <span class="proof bad">{error.message}</span>
  if (step.summary) return <span class="proof">{step.summary}</span>
  return active || step.state === 'done' ? null : <span class="proof">{name('step', step.state)}</span>
}

/** Why a run ended badly, where no step says so already. */
function Trouble({ run }: { run: Run }) {
  if (!run.error || steps(run).some((step) => step.id === run.error?.step && step.attempts?.at(-1)?.error)) return null
  return <p class="trouble"><Icon of="alert" />{run.error.message}</p>
}
