import { type Signal, signal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { backoff, pause } from '../api/backoff.ts'
import { call } from '../api/call.ts'
import { Fault, retryable } from '../api/fault.ts'
import type { Run, Verb } from '../api/types.ts'
import { whileLooking } from '../attention.ts'
import { toast } from '../ui/toast.tsx'
import { isActive, merge, newer, replace } from './fold.ts'

/** The latest runs, newest first; undefined until they were read. */
export const runs = signal<readonly Run[] | undefined>(undefined)

/** What is known of one run. */
export interface Known {
  run?: Run
  fault?: Fault
}

interface Entry {
  known: Signal<Known>
  watchers: number
  timer?: ReturnType<typeof setTimeout> | undefined
}

const entries = new Map<string, Entry>()

function entry(id: string): Entry {
  let found = entries.get(id)
  if (!found) {
    found = { known: signal<Known>({}), watchers: 0 }
    entries.set(id, found)
  }
  return found
}

/** Follows a run while the component is mounted. */
export function useRun(id: string): Known {
  const { known } = entry(id)
  useEffect(() => {
    entry(id).watchers++
    if (!known.peek().run) void load(id)
    return () => {
      entry(id).watchers--
    }
  }, [id])
  return known.value
}

/** Takes over a view of a run, unless it is older than the one at hand. */
export function take(view: Run): void {
  const { known } = entry(view.id)
  known.value = { run: newer(known.peek().run, view) }
  const list = runs.peek()
  if (list) runs.value = merge(list, view)
}

async function load(id: string): Promise<void> {
  try {
    take(await call<Run>(`system-tasks/runs/${id}`))
  } catch (err) {
    if (!(err instanceof Fault)) throw err
    const { known } = entry(id)
    known.value = { ...known.peek(), fault: err }
  }
}

/** Says that a run changed: it is read again if anybody looks at it, and so is the list. */
export function refresh(id: string): void {
  reread(id)
  listTimer ??= setTimeout(() => {
    listTimer = undefined
    void loadRuns()
  }, 400)
}

let listTimer: ReturnType<typeof setTimeout> | undefined

/** Reads a run again soon, if anybody looks at it. Hints come in bursts. */
function reread(id: string): void {
  const one = entries.get(id)
  if (!one || one.watchers === 0 || one.timer !== undefined) return
  one.timer = setTimeout(() => {
    one.timer = undefined
    void load(id)
  }, 120)
}

/** Follows a run closely, by long polls, until signal aborts: for its own page. */
export async function watchRun(id: string, signal: AbortSignal): Promise<void> {
  let failures = 0
  while (!signal.aborted) {
    const began = Date.now()
    const rev = entry(id).known.peek().run?.rev
    const query = rev === undefined ? {} : { wait: 30, rev }
    try {
      const view = await call<Run>(`system-tasks/runs/${id}`, { query, signal, timeout: 45_000 })
      take(view)
      failures = 0
      // A server that does not wait must not be asked in a tight loop.
      if (view.rev === rev && Date.now() - began < 1000) await pause(2000, signal)
    } catch (err) {
      if (signal.aborted || !(err instanceof Fault)) return
      entry(id).known.value = { ...entry(id).known.peek(), fault: err }
      if (!retryable(err)) return
      failures++
    }
    await pause(backoff(failures), signal)
  }
}

/** Does something to a run and takes over the view that comes back. Reports whether it worked. */
export async function act(run: Run, verb: Verb | 'edit' | 'settle', body: Record<string, unknown> = {}): Promise<boolean> {
  try {
    take(await call<Run>(`system-tasks/runs/${run.id}/${verb}`, { method: 'POST', body }))
    return true
  } catch (err) {
    toast(err)
    void load(run.id) // it is not what it looked like
    return false
  }
}

/** Reads the list of runs. */
export async function loadRuns(): Promise<Fault | undefined> {
  try {
    const answer = await call<{ runs: Run[] | null }>('system-tasks/runs', { query: { limit: 50 } })
    runs.value = replace(runs.peek() ?? [], answer.runs ?? [])
    return undefined
  } catch (err) {
    if (err instanceof Fault) return err
    throw err
  }
}

const often = 5_000
const seldom = 20_000

/** Keeps the list fresh while somebody looks: it also feeds the badge of waiting approvals. Returns a stop. */
export function keepRuns(): () => void {
  const stop = whileLooking(keep)
  return () => {
    stop()
    clearTimeout(listTimer)
    listTimer = undefined
    entries.clear()
    runs.value = undefined
  }
}

async function keep(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await loadRuns()
    // The session's events bring changes at once; this is for those that got lost.
    for (const [id, { known }] of entries) {
      const { run } = known.peek()
      if (run && isActive(run)) reread(id)
    }
    await pause(runs.peek()?.some(isActive) ? often : seldom, signal)
  }
}
