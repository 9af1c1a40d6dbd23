import type { Run, Step, StepUndo } from '../api/types.ts'
import { now } from '../attention.ts'
import { name, t } from '../i18n.ts'
import { clock, full, span } from '../ui/clock.ts'
import { StepPill } from '../ui/state.tsx'
import { RetryFrom } from './actions.tsx'
import { ForkFrom } from './again.tsx'
import { Check, Settle } from './doubt.tsx'
import { Files } from './files.tsx'
import { time } from './fold.ts'
import { Recall } from './recall.tsx'
import { Taken } from './taken.tsx'
import { Refusal } from './undo.tsx'
import { Value } from './value.tsx'

/** Everything about one step: what went in, what came out, what went wrong, what can be undone. */
export function Inspector({ run, step }: { run: Run; step: Step }) {
  return (
    <section class="inspector" aria-label={step.title || step.id}>
      <header>
        <h3>{step.title || step.id}</h3>
        <StepPill state={step.state} />
      </header>
      <p class="facts">
        {step.id !== step.plugin && <code>{step.id}</code>}<code>{step.plugin}</code>
        {step.effect && <span>{name('effect', step.effect)}</span>}
      </p>
      <Taken step={step} />
      <Recall run={run} step={step} />
      <Check step={step} />
      <Settle run={run} step={step} />
      <Problems step={step} />
      {step.summary && <p class="summary">{step.summary}</p>}
      <Files files={step.files} owner={run.user} />
      <Part title={t('step.params')} value={step.params} />
      <Part title={t('step.result')} value={step.result} />
      <Attempts step={step} />
      <Undo undo={step.undo} />
      <div class="actions">
        {run.can?.retry && <RetryFrom run={run} step={step.id} />}
        <ForkFrom run={run} step={step.id} />
      </div>
    </section>
  )
}

function Problems({ step }: { step: Step }) {
  const error = step.attempts?.at(-1)?.error
  if (!error || step.state === 'done') return null
  return <div class="error" role="alert"><b>{name('fault', error.kind)}</b><p>{error.message}</p></div>
}

function Part({ title, value }: { title: string; value: unknown }) {
  if (value === undefined || value === null) return null
  return <div class="part"><h4>{title}</h4><Value of={value} /></div>
}

function Attempts({ step }: { step: Step }) {
  if (!step.attempts?.length) return null
  return (
    <div class="part">
      <h4>{t('step.attempts')}</h4>
      <ol class="attempts">
        {step.attempts.map((attempt) => {
          const [from, to] = [time(attempt.started), time(attempt.ended)]
          return (
            <li key={attempt.n} class={attempt.error ? 'bad' : 'ok'}>
              <span>{t('attempt', { n: attempt.n })}</span>
              {from !== undefined && <time title={full(from)}>{clock(from, true)}</time>}
              <span>{from === undefined ? '' : span((to ?? now.value) - from)}</span>
              {attempt.error && <em>{attempt.error.message}</em>}
            </li>
          )
        })}
      </ol>
    </div>
  )
}

function Undo({ undo }: { undo: StepUndo | null | undefined }) {
  if (!undo || (!undo.possible && !undo.state && !undo.error)) return null
  const until = time(undo.until)
  return (
    <div class="part">
      <h4>{t('step.undo')}</h4>
      <p class="facts">
        {undo.state && <span>{name('undo', undo.state)}</span>}
        {undo.possible && <span>{t('undo.possible')}</span>}
        {undo.possible && until !== undefined && <span>{t('undo.until', { at: full(until) })}</span>}
      </p>
      {undo.error && <Refusal problem={undo.error} />}
    </div>
  )
}
