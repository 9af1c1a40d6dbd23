import type { Button, ChatEvent, ChatFile } from '../api/types.ts'

export interface Said {
  kind: 'user'
  key: string
  text: string
  from: string
  at: string
}

export interface Answer {
  kind: 'answer'
  /** The key of the delivery; empty while it is a draft. */
  key: string
  seq: number
  markdown: string
  buttons: Button[][]
  files: ChatFile[]
  run: string
  repeated: boolean
  draft: boolean
  at: string
}

export type Item = Said | Answer

/** Conversation is the fold over a session's event log: the same on every device that read the same events. */
export interface Conversation {
  session: string
  /** The id of the last event in it. */
  cursor: string
  items: Item[]
  /** For each run that the log spoke of, how often it did: a change means that the run has to be read again. */
  runs: Record<string, number>
}

export function empty(session: string): Conversation {
  return { session, cursor: '', items: [], runs: {} }
}

/** Adds one event of the log. An event that is already in is ignored, so a log may be replayed from anywhere. */
export function apply(c: Conversation, id: string, data: string): Conversation {
  if (id !== '' && !after(id, c.cursor)) return c
  const next = { ...c, cursor: id || c.cursor }
  const event = parse(data)
  switch (event?.type) {
    case 'user':
      return addUser(next, event)
    case 'draft':
      return addDraft(next, event)
    case 'answer':
      return addAnswer(next, event)
    case 'run':
      return { ...next, runs: touch(next.runs, event.run) }
    default:
      return next
  }
}

function parse(data: string): ChatEvent | undefined {
  try {
    return JSON.parse(data) as ChatEvent
  } catch {
    return undefined // one unreadable event must not hide the rest of the conversation
  }
}

/** Reports whether the event id comes after cursor. Ids are those of a Redis stream: milliseconds-number. */
function after(id: string, cursor: string): boolean {
  const [a, b] = [place(id), place(cursor)]
  if (!a || !b) return id !== cursor
  return a[0] > b[0] || (a[0] === b[0] && a[1] > b[1])
}

function place(id: string): [number, number] | undefined {
  const parts = /^(\d+)-(\d+)$/.exec(id)
  return parts ? [Number(parts[1]), Number(parts[2])] : undefined
}

function addUser(c: Conversation, e: Extract<ChatEvent, { type: 'user' }>): Conversation {
  if (c.items.some((item) => item.kind === 'user' && item.key === e.key)) return c
  return { ...c, items: [...c.items, { kind: 'user', key: e.key, text: e.text, from: e.from ?? '', at: e.at }] }
}

function addDraft(c: Conversation, e: Extract<ChatEvent, { type: 'draft' }>): Conversation {
  const at = c.items.findIndex((item) => item.kind === 'answer' && item.seq === e.seq)
  const old = c.items[at]
  if (old?.kind !== 'answer') return { ...c, items: [...c.items, draftOf(e.seq, e.text)] }
  if (!old.draft) return c // it came after the final answer, which says it all
  return { ...c, items: c.items.with(at, { ...old, markdown: old.markdown + e.text }) }
}

function draftOf(seq: number, markdown: string): Answer {
  return { kind: 'answer', key: '', seq, markdown, buttons: [], files: [], run: '', repeated: false, draft: true, at: '' }
}

function addAnswer(c: Conversation, e: Extract<ChatEvent, { type: 'answer' }>): Conversation {
  const answer: Answer = {
    kind: 'answer', key: e.key, seq: e.seq, markdown: e.markdown, buttons: e.buttons ?? [], files: e.files ?? [],
    run: e.run ?? '', repeated: e.repeated ?? false, draft: false, at: e.at,
  }
  const runs = answer.run ? touch(c.runs, answer.run) : c.runs
  const at = c.items.findIndex((item) => item.kind === 'answer' && replaces(answer, item))
  const items = at < 0 ? [...c.items, answer] : c.items.with(at, answer)
  return { ...c, items, runs }
}

/** A final answer takes the place of its drafts and of an earlier copy of itself. */
function replaces(answer: Answer, old: Answer): boolean {
  return old.draft ? old.seq === answer.seq : old.key === answer.key
}

function touch(runs: Record<string, number>, run: string): Record<string, number> {
  return { ...runs, [run]: (runs[run] ?? 0) + 1 }
}

/** Reports whether somebody spoke last, and so an answer is on its way. */
export function awaited(c: Conversation): boolean {
  const last = c.items.at(-1)
  return last?.kind === 'user' || (last?.kind === 'answer' && last.draft)
}

/** Returns, for each run, the index of the last answer about it: where its card belongs. */
export function cards(c: Conversation): Map<string, number> {
  const last = new Map<string, number>()
  c.items.forEach((item, i) => {
    if (item.kind === 'answer' && item.run) last.set(item.run, i)
  })
  return last
}
