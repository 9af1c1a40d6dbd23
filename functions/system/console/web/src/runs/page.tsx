import { useEffect, useRef } from 'preact/hooks'
import type { Run } from '../api/types.ts'
import { away, now } from '../attention.ts'
import { name, t } from '../i18n.ts'
import { Link, go } from '../navigation.tsx'
import { span } from '../ui/clock.ts'
import { Command } from '../ui/command.tsx'
import { explain } from '../ui/explain.ts'
import { Icon } from '../ui/icon.tsx'
import { narrow } from '../ui/narrow.ts'
import { Failure, Loading } from '../ui/notice.tsx'
import { RunPill, StepSign } from '../ui/state.tsx'
import { Ago } from '../ui/when.tsx'
import { Actions } from './actions.tsx'
import { Again } from './again.tsx'
import { Dry, title } from './card.tsx'
import { EditPlan } from './edit.tsx'
import { base, focus, grouped, steps, time } from './fold.ts'
import { Gantt } from './gantt.tsx'
import { Inspector } from './inspector.tsx'
import { PlanGraph } from './plangraph.tsx'
import { Lines, Radius } from './radius.tsx'
import { useRun, watchRun } from './store.ts'

/** One run: live, opened on the step that matters, with everything on one page. */
export function RunPage({ id, step }: { id: string; step: string | undefined }) {
  const { run, fault } = useRun(id)
  const hidden = away.value
  useEffect(() => {
    if (hidden) return undefined
    const stop = new AbortController()
    void watchRun(id, stop.signal)
    return () => stop.abort()
  }, [id, hidden])
  if (!run) return fault ? <Failure fault={fault} /> : <Loading />
  const shown = steps(run).find((one) => one.id === step) ?? focus(run)
  const select = (chosen: string) => go({ at: 'runs', run: id, step: chosen }, 'replace')
  const pick = { run, selected: shown?.id ?? '', select }
  return (
    <div class="page wide">
      <Head run={run} />
      {fault && <p class="stale" role="status">{explain(fault)}</p>}
      <div class="split">
        <div class="column">
          <Proposal run={run} />
          {narrow.value ? <StepList {...pick} /> : <Graph {...pick} />}
          <section class="panel"><h2>{t('timeline')}</h2><Gantt {...pick} /></section>
        </div>
        {shown && !narrow.value && <aside class="panel inspect"><Inspector run={run} step={shown} /></aside>}
      </div>
    </div>
  )
}

function Head({ run }: { run: Run }) {
  const from = time(run.created)
  return (
    <header class="runhead">
      <Link to={{ at: 'runs' }} class="back"><Icon of="back" />{t('runs')}</Link>
      <div class="row">
        <h1>{title(run)}</h1>
        <RunPill state={run.state} />
        <Dry run={run} />
      </div>
      <p class="facts">
        <span class="idline"><code>{run.id}</code><Command line={`hearth runs show ${run.id}`} /></span>
        {run.origin && <span>{name('origin', run.origin)}</span>}
        {run.user && <span>{run.user}</span>}
        {run.task && <Link to={{ at: 'tasks', task: run.task }}>{run.task}</Link>}
        <Ago at={run.created} />
        {from !== undefined && run.state !== 'waiting_approval' && <span>{span((time(run.ended) ?? now.value) - from)}</span>}
        <Decision run={run} />
        {run.author && <span>{name('author', run.author)}</span>}
        {run.fork && <span>{t('fork.of')} <Link to={{ at: 'runs', run: run.fork.run, ...(run.fork.step && { step: run.fork.step }) }}><code>{run.fork.run}</code></Link></span>}
      </p>
      {run.text && run.text !== title(run) && <blockquote>{run.text}</blockquote>}
      {run.error && <p class="trouble" role="alert"><Icon of="alert" />{run.error.message}</p>}
      <Actions run={run} />
      <Again run={run} />
    </header>
  )
}

/** Who decided on the plan, once somebody did. */
function Decision({ run }: { run: Run }) {
  const { state, by } = run.approval ?? {}
  if (!by || (state !== 'approved' && state !== 'denied')) return null
  return <span>{t(`decision.${state}`, { by })}</span>
}

/** What is going to happen, while somebody has to decide on it. */
function Proposal({ run }: { run: Run }) {
  if (!run.card || run.state !== 'waiting_approval') return null
  return (
    <section class="panel asks">
      <h2>{t('card.title')}</h2>
      <Lines run={run} />
      <Radius run={run} />
      <EditPlan run={run} />
    </section>
  )
}

interface Pick {
  run: Run
  selected: string
  select: (id: string) => void
}

function Graph({ run, selected, select }: Pick) {
  return <section class="panel"><h2>{t('graph')}</h2><PlanGraph steps={grouped(steps(run))} selected={base(selected)} select={(id) => select(member(run, id))} /></section>
}

/** Returns the step to show for a box: with a foreach, the one of its many that matters most. */
function member(run: Run, id: string): string {
  const of = steps(run).filter((step) => base(step.id) === id)
  return focus({ ...run, error: null, steps: of })?.id ?? id
}

/** The steps one below the other, for narrow screens, where a graph would have to be pushed around. */
function StepList({ run, selected, select }: Pick) {
  const list = useRef<HTMLOListElement>(null)
  useEffect(() => {
    // What failed may be far down; what went well is read from the top.
    if (run.error) list.current?.querySelector('.open')?.scrollIntoView({ block: 'start' })
  }, [run.id])
  return (
    <ol class="steplist panel" ref={list}>
      {steps(run).map((step) => (
        <li key={step.id} class={selected === step.id ? 'open' : ''}>
          <button type="button" aria-expanded={selected === step.id} onClick={() => select(step.id)}>
            <StepSign state={step.state} />
            <span><strong>{step.title || step.id}</strong><small>{step.summary || step.plugin}</small></span>
            <Icon of="next" />
          </button>
          {selected === step.id && <Inspector run={run} step={step} />}
        </li>
      ))}
    </ol>
  )
}
