// What the functions answer, as their HTTP APIs define it. Times are RFC 3339 and empty when there is none.

export type RunState =
  | 'waiting_approval' | 'running' | 'waiting' | 'done' | 'failed' | 'rolling_back' | 'rolled_back'
  | 'needs_human' | 'stopped' | 'undoing' | 'undone' | 'denied' | 'expired'

export type StepState =
  | 'planned' | 'ready' | 'waiting' | 'running' | 'done' | 'failed' | 'skipped' | 'unknown'
  | 'undoing' | 'undone' | 'undo_failed'

export type Verb = 'approve' | 'deny' | 'cancel' | 'retry' | 'undo'

/** Something that is not as a step left it. */
export interface Change {
  what: string
  then?: string
  now?: string
  diff?: string[] | null
}

export interface Problem {
  kind: string
  message: string
  /** Why an undo refused. */
  changes?: Change[] | null
}

export interface Attempt {
  n: number
  started: string
  ended?: string
  error?: Problem | null
}

export interface Artifact {
  path: string
  version?: number
  hash?: string
  size?: number
  type?: string
  at?: string
}

/** A file that came with an answer. Its ref is a workspace path. */
export interface ChatFile {
  ref: string
  name?: string
  type?: string
  size?: number
}

export interface StepUndo {
  possible: boolean
  until?: string
  state?: string
  error?: Problem | null
  started?: string
  ended?: string
}

export interface Step {
  id: string
  plugin: string
  title?: string
  effect?: string
  state: StepState
  attempts?: Attempt[] | null
  params?: unknown
  summary?: string
  result?: unknown
  files?: Artifact[] | null
  undo?: StepUndo | null
  needs?: string[] | null
  wait_until?: string
  /** The run that did it, when this one is a fork of it. */
  taken?: string
  check?: StepCheck | null
  /** Nobody knows whether it happened: a person may say so. */
  settle?: boolean
}

/** How it was found out, or is, what became of a step that was in doubt. */
export interface StepCheck {
  state: string
  /** The person who said so; none for the step's plugin. */
  by?: string
  tries?: number
  error?: Problem | null
}

export interface Recipient {
  to: string
  external?: boolean
}

export interface Card {
  reads?: string[] | null
  writes?: string[] | null
  recipients?: Recipient[] | null
  undoable?: number
  total?: number
  lines?: string[] | null
}

export interface Approval {
  needed: boolean
  state: string
  by?: string
  at?: string
  expires?: string
  role?: string
  four_eyes?: boolean
  revision?: number
  editor?: string
}

export interface Run {
  id: string
  rev: number
  title?: string
  task?: string
  origin?: string
  text?: string
  user?: string
  lang?: string
  created: string
  ended?: string
  zone?: string
  date?: string
  state: RunState
  error?: (Problem & { step?: string }) | null
  digest?: string
  exit?: number
  approval?: Approval | null
  card?: Card | null
  dry_run?: boolean
  steps?: Step[] | null
  can?: Partial<Record<Verb | 'edit' | 'settle', boolean>>
  author?: string
  params?: unknown
  install?: boolean
  fork?: { run: string; step?: string } | null
}

/** What an undo of a run would do now, newest step first. */
export interface UndoPlan {
  run: string
  title: string
  can: boolean
  steps: UndoStep[] | null
}

export interface UndoStep {
  id: string
  title: string
  plugin: string
  state: StepState
  summary?: string
  until?: string
  /** Why it cannot be taken back: irreversible, expired. */
  blocked?: string
  /** How its plugin finds the world: ready, changed, unknown. */
  look?: string
  would?: string
  problem?: Problem | null
}

/** A stop that lasts: of a user, or without one of everything. */
export interface Brake {
  user?: string
  by: string
  at: string
}

export interface Trigger {
  type: string
  schedule?: string
  timezone?: string
  misfire?: string
  grace?: string
  overlap?: string
  phrase?: string
  calendar?: string
  /** How much later a slot may fire. */
  jitter?: string
  /** How long after a slot its run has to have ended well. */
  expect?: string
}

export interface Plan {
  task_id?: string
  title?: string
  trigger?: Trigger | null
  /** What people may change about it, each with its default. */
  params?: unknown
  steps: { id?: string; plugin: string; params?: unknown }[]
}

export interface Task {
  task_id: string
  title?: string
  owner?: string
  plan: Plan
  next?: string
  /** When the next slot fires, if its jitter makes that later. */
  fires?: string
  last_run?: string
  enabled: boolean
}

export interface Fire {
  at: string
  fired?: boolean
  fired_at?: string
  run?: string
  /** The state of the run; none when it is forgotten, or never was. */
  outcome?: string
  why?: string
  /** Skipped slots before it that have no row of their own. */
  more?: number
}

export interface Attachment {
  name: string
  size: number
  type: string
}

export interface Mail {
  id: string
  at: string
  from: string
  to: string[]
  subject: string
  attachments?: Attachment[] | null
  text?: string
  html?: string
}

export interface Session {
  session: string
  title?: string
  at?: string
}

export interface Account {
  user: string
  role: string
}

export interface Button {
  label: string
  value: string
  style?: string
}

/** What the event log of a session holds. A type that is not here is from a newer server and is ignored. */
export type ChatEvent =
  | { type: 'user'; key: string; text: string; from?: string; at: string }
  | { type: 'draft'; seq: number; text: string }
  | {
      type: 'answer'; key: string; seq: number; markdown: string; buttons?: Button[][] | null
      files?: ChatFile[] | null; run?: string; repeated?: boolean; at: string
    }
  | { type: 'run'; run: string; state: string; step?: string; status?: string; at?: string }

/** A text in both languages. */
export interface Phrase {
  en: string
  zh: string
}

/** A reason why people were called. */
export interface Alert {
  id: string
  kind: string
  title: Phrase
  text: Phrase
  user?: string
  run?: string
  task?: string
  at: string
  count?: number
  resolved: boolean
  by?: string
}

/** A message that could not be answered, or an answer that could not be delivered. */
export interface Letter {
  id: string
  kind: string
  at: string
  platform: string
  user?: string
  text: string
}

/** Where a budget stands. */
export interface BudgetLine {
  budget: string
  for: string
  limit: number
  used: number
  until: string
}
