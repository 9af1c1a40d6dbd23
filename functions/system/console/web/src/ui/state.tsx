import type { RunState, StepState } from '../api/types.ts'
import { name } from '../i18n.ts'
import { Icon, type IconName } from './icon.tsx'

export type Tone = 'ok' | 'run' | 'bad' | 'wait' | 'undo' | 'dim'

const runs: Record<RunState, [Tone, IconName]> = {
  waiting_approval: ['wait', 'question'], running: ['run', 'play'], waiting: ['wait', 'clock'], done: ['ok', 'check'],
  failed: ['bad', 'alert'], rolling_back: ['undo', 'undo'], rolled_back: ['undo', 'undo'], needs_human: ['bad', 'user'],
  stopped: ['dim', 'stop'], undoing: ['undo', 'undo'], undone: ['undo', 'undo'], denied: ['dim', 'close'], expired: ['dim', 'clock'],
}

const steps: Record<StepState, [Tone, IconName]> = {
  planned: ['dim', 'clock'], ready: ['dim', 'clock'], waiting: ['wait', 'clock'], running: ['run', 'play'], done: ['ok', 'check'],
  failed: ['bad', 'alert'], skipped: ['dim', 'skip'], unknown: ['bad', 'question'], undoing: ['undo', 'undo'], undone: ['undo', 'undo'],
  undo_failed: ['bad', 'alert'],
}

/** The colour of a run's state. A state newer than this page is grey. */
export function runTone(state: string): Tone {
  return (runs[state as RunState] ?? ['dim'])[0]
}

export function stepTone(state: string): Tone {
  return (steps[state as StepState] ?? ['dim'])[0]
}

/** A run's state in words and colour. */
export function RunPill({ state }: { state: string }) {
  const [tone, icon] = runs[state as RunState] ?? ['dim', 'question']
  return <span class={`pill ${tone}`}><Icon of={icon} />{name('run', state)}</span>
}

export function StepPill({ state }: { state: string }) {
  const [tone, icon] = steps[state as StepState] ?? ['dim', 'question']
  return <span class={`pill ${tone}`}><Icon of={icon} />{name('step', state)}</span>
}

/** A step's state as a sign only, with its name for screen readers. */
export function StepSign({ state }: { state: string }) {
  const [tone, icon] = steps[state as StepState] ?? ['dim', 'question']
  return <span class={`sign ${tone}`} role="img" aria-label={name('step', state)} title={name('step', state)}><Icon of={icon} /></span>
}
