import type { Run, RunState, Step } from '../api/types.ts'

/** Returns the newer of two views of a run. Answers may overtake each other; the revision tells. */
export function newer(old: Run | undefined, next: Run): Run {
  return old && old.rev > next.rev ? old : next
}

/** Puts a view into a list of views, newest first, so that list and page never disagree. */
export function merge(list: readonly Run[], next: Run): readonly Run[] {
  const at = list.findIndex((run) => run.id === next.id)
  const old = list[at]
  if (!old) return [next, ...list]
  return old.rev >= next.rev ? list : list.with(at, next)
}

/** Takes over a freshly read list, keeping views that are newer than it. */
export function replace(old: readonly Run[], fresh: readonly Run[]): readonly Run[] {
  const byId = new Map(old.map((run) => [run.id, run]))
  return fresh.map((run) => newer(byId.get(run.id), run))
}

const active: readonly RunState[] = ['running', 'waiting', 'rolling_back', 'undoing']

/** Reports whether something is being done for the run right now. */
export function isActive(run: Run): boolean {
  return active.includes(run.state)
}

export type Filter = 'all' | 'active' | 'approval' | 'failed' | 'done'

const filters: Record<Exclude<Filter, 'all'>, readonly RunState[]> = {
  active,
  approval: ['waiting_approval'],
  failed: ['failed', 'rolled_back', 'needs_human'],
  done: ['done', 'undone', 'stopped', 'denied', 'expired'],
}

export function matches(run: Run, filter: Filter): boolean {
  return filter === 'all' || filters[filter].includes(run.state)
}

export function steps(run: Run): Step[] {
  return run.steps ?? []
}

// What people come for, first: what broke, then what goes on, then what waits.
const interest: readonly Step['state'][] = ['failed', 'undo_failed', 'unknown', 'running', 'undoing', 'waiting', 'ready']

/** Returns the step to open a run on: the failed one, else the one at work, else the last that was done. */
export function focus(run: Run): Step | undefined {
  const named = steps(run).find((step) => step.id === run.error?.step)
  if (named) return named
  for (const state of interest) {
    const found = steps(run).find((step) => step.state === state)
    if (found) return found
  }
  return steps(run).findLast((step) => step.state === 'done') ?? steps(run)[0]
}

/** Returns the plan's step that a step is one of: with foreach, mail[0] and mail[1] are both of mail. */
export function base(id: string): string {
  return id.replace(/\[\d+\]$/, '')
}

/**
 * Returns what each step needs: all of those that a named one became. A plan without any edge runs in
 * order, so its edges are those of a chain.
 */
export function needs(list: readonly Step[]): Map<string, string[]> {
  const explicit = list.some((step) => step.needs?.length)
  const order = [...new Set(list.map((step) => base(step.id)))]
  return new Map(list.map((step) => {
    const before = order[order.indexOf(base(step.id)) - 1]
    const chain = before === undefined ? [] : [before]
    const named = new Set(explicit ? (step.needs ?? []) : chain)
    return [step.id, list.filter((one) => named.has(one.id) || named.has(base(one.id))).map((one) => one.id)]
  }))
}

/** Returns the steps with those of a foreach as one, whose state is the one that matters most. */
export function grouped(list: readonly Step[]): (Step & { count: number })[] {
  const groups = new Map<string, Step[]>()
  for (const step of list) groups.set(base(step.id), [...(groups.get(base(step.id)) ?? []), step])
  return [...groups].flatMap(([id, members]) => {
    const [first] = members
    if (!first) return []
    const foremost = interest.map((state) => members.find((step) => step.state === state)).find((step) => step) ?? members.at(-1) ?? first
    return [{ ...first, id: members.length > 1 ? id : first.id, state: foremost.state, count: members.length }]
  })
}

/** Returns when a step began and ended its work, in milliseconds; undefined where it did not yet. */
export function extent(step: Step): { from?: number; to?: number } {
  const attempts = step.attempts ?? []
  const from = time(attempts[0]?.started)
  const to = time(attempts.at(-1)?.ended)
  return { ...(from !== undefined && { from }), ...(to !== undefined && { to }) }
}

/** Parses a time of the API; undefined for none (Go writes a zero time as year 1). */
export function time(text: string | undefined): number | undefined {
  if (!text || text.startsWith('0001-')) return undefined
  const ms = Date.parse(text)
  return Number.isNaN(ms) ? undefined : ms
}
