import type { Run, Step } from '../api/types.ts'
import { isActive, needs, steps, time } from './fold.ts'

export type Kind = 'attempt' | 'wait' | 'undo' | 'approval'

/** A stretch of time in a row. Left and width are parts of the whole, 0 to 1. */
export interface Bar {
  kind: Kind
  /** What it looks like: a step's state, or "open" while it goes on. */
  state: string
  /** The attempt's number; 0 for what is none. */
  n: number
  from: number
  to: number
  left: number
  width: number
}

export interface Row {
  /** The step; empty for the approval of the whole run. */
  step: string
  bars: Bar[]
}

/** Idle time that is drawn shorter than it was. */
export interface Gap {
  left: number
  width: number
  /** How long it was, in milliseconds. */
  took: number
}

export interface Timeline {
  start: number
  end: number
  rows: Row[]
  gaps: Gap[]
}

type Stretch = Pick<Bar, 'kind' | 'state' | 'n' | 'from' | 'to'>

/**
 * Arranges what happened in a run along time: each attempt is a bar of its own, and so are waits and undos.
 * Long stretches in which nothing worked, such as a night's wait for an approval, are drawn short.
 */
export function timeline(run: Run, now: number): Timeline {
  const origin = time(run.created) ?? now
  const edges = needs(steps(run))
  const rows = [
    { step: '', list: approval(run, origin, now) },
    ...steps(run).map((step) => ({ step: step.id, list: stretches(step, ready(run, edges.get(step.id) ?? [], origin), now) })),
  ].filter((row) => row.step !== '' || row.list.length > 0)
  const all = rows.flatMap((row) => row.list)
  const live = isActive(run) || run.state === 'waiting_approval'
  const start = Math.min(origin, ...all.map((s) => s.from))
  const end = Math.max(start + 1, live ? now : (time(run.ended) ?? start), ...all.map((s) => s.to))
  const axis = new Axis(start, end, all.filter((s) => s.kind === 'attempt' || s.kind === 'undo'))
  return { start, end, gaps: axis.gaps, rows: rows.map(({ step, list }) => ({ step, bars: list.map((s) => axis.bar(s)) })) }
}

function approval(run: Run, origin: number, now: number): Stretch[] {
  if (!run.approval?.needed) return []
  const at = time(run.approval.at)
  const { state } = run.approval
  const to = at ?? (run.state === 'waiting_approval' ? now : (time(run.ended) ?? time(run.approval.expires) ?? now))
  return [{ kind: 'approval', state, n: 0, from: origin, to }]
}

/** Returns when a step could have begun: when all that it needs had ended. */
function ready(run: Run, before: string[], origin: number): number {
  const ends = steps(run).filter((s) => before.includes(s.id)).map((s) => time(s.attempts?.at(-1)?.ended) ?? origin)
  return Math.max(origin, time(run.approval?.at) ?? origin, ...ends)
}

function stretches(step: Step, begin: number, now: number): Stretch[] {
  const list: Stretch[] = []
  let last = begin
  const attempts = step.attempts ?? []
  attempts.forEach((attempt, i) => {
    const from = time(attempt.started) ?? last
    const to = time(attempt.ended) ?? now
    if (i > 0 && from > last) list.push({ kind: 'wait', state: 'done', n: 0, from: last, to: from })
    list.push({ kind: 'attempt', state: outcome(step, i), n: attempt.n, from, to })
    last = to
  })
  const until = time(step.wait_until)
  if (until !== undefined && step.state === 'waiting') {
    list.push({ kind: 'wait', state: 'open', n: 0, from: last, to: Math.max(until, last) })
  }
  const undone = time(step.undo?.started)
  if (undone !== undefined) {
    list.push({ kind: 'undo', state: step.state, n: 0, from: undone, to: time(step.undo?.ended) ?? now })
  }
  return list
}

/** Returns how an attempt ended. An undo came later and says nothing about it. */
function outcome(step: Step, i: number): string {
  const attempt = step.attempts?.[i]
  if (attempt?.error) return step.state === 'unknown' && i === (step.attempts?.length ?? 0) - 1 ? 'unknown' : 'failed'
  if (!attempt?.ended) return 'running'
  return step.state === 'failed' || step.state === 'unknown' ? step.state : 'done'
}

// A gap is drawn short when it is longer than this part of all the work, and takes this part of the width.
const worthCutting = 0.25
const gapWidth = 0.05
const noticeable = 2000

class Axis {
  readonly gaps: Gap[] = []
  readonly #marks: { at: number; place: number }[] = []

  constructor(start: number, end: number, work: readonly Stretch[]) {
    const cuts = idle(start, end, work)
    const cut = cuts.reduce((sum, c) => sum + c.to - c.from, 0)
    const width = Math.min(gapWidth, 0.4 / Math.max(1, cuts.length))
    const scale = (1 - width * cuts.length) / Math.max(1, end - start - cut)
    let [at, place] = [start, 0]
    const mark = (to: number, by: number) => {
      place += by
      at = to
      this.#marks.push({ at, place })
    }
    mark(start, 0)
    for (const { from, to } of cuts) {
      mark(from, (from - at) * scale)
      this.gaps.push({ left: place, width, took: to - from })
      mark(to, width)
    }
    mark(end, (end - at) * scale)
  }

  bar(s: Stretch): Bar {
    const left = this.#place(s.from)
    return { ...s, left, width: Math.max(0, this.#place(s.to) - left) }
  }

  #place(t: number): number {
    const i = this.#marks.findIndex((mark) => mark.at >= t)
    if (i < 0) return 1
    const [a, b] = [this.#marks[i - 1], this.#marks[i]]
    if (!a || !b) return 0
    return b.at === a.at ? b.place : a.place + ((t - a.at) / (b.at - a.at)) * (b.place - a.place)
  }
}

function idle(start: number, end: number, work: readonly Stretch[]): { from: number; to: number }[] {
  const busy = work.toSorted((a, b) => a.from - b.from)
  const gaps: { from: number; to: number }[] = []
  let reached = start
  let worked = 0
  for (const { from, to } of busy) {
    if (from > reached) gaps.push({ from: reached, to: from })
    worked += Math.max(0, to - Math.max(from, reached))
    reached = Math.max(reached, to)
  }
  if (end > reached) gaps.push({ from: reached, to: end })
  if (worked === 0) return []
  const least = Math.max(noticeable, worked * worthCutting)
  return gaps.filter((gap) => gap.to - gap.from > least)
}
