import { batch, effect, signal, untracked } from '@preact/signals'
import { account } from '../api/account.ts'
import { backoff } from '../api/backoff.ts'
import { call } from '../api/call.ts'
import type { ServerEvent } from '../api/events.ts'
import { Fault, retryable } from '../api/fault.ts'
import { type Connection, follow } from '../api/follow.ts'
import { random } from '../api/random.ts'
import type { Session } from '../api/types.ts'
import { away } from '../attention.ts'
import { refresh } from '../runs/store.ts'
import { toast } from '../ui/toast.tsx'
import { type Conversation, apply, empty } from './conversation.ts'
import * as outbox from './outbox.ts'
import { Shelf } from './shelf.ts'

/** The session on the screen. */
export const session = signal('')
export const conversation = signal<Conversation>(empty(''))
export const connection = signal<Connection>('connecting')
export const sessions = signal<Session[]>([])
export const letters = signal<outbox.Outbox>([])

// Conversations read earlier, so that going back to one resumes instead of replaying.
const kept = new Map<string, Conversation>()

/** Makes a new session's name. */
export function newSession(): string {
  return `web-${random(8)}`
}

/** Shows a session and follows its event log. */
export function enter(name: string): void {
  if (name === session.value) return
  kept.set(conversation.value.session, conversation.value)
  batch(() => {
    conversation.value = kept.get(name) ?? empty(name)
    session.value = name
  })
}

/** Starts the parts that live as long as somebody is signed in. Returns what stops them. */
export function start(user: string): () => void {
  const shelf = new Shelf(`hearth.outbox.${user}.`)
  letters.value = shelf.read()
  const stops = [
    effect(() => shelf.write(letters.value)),
    effect(listen),
    effect(deliver),
    effect(() => {
      if (!away.value) void loadSessions()
    }),
  ]
  addEventListener('online', hurry)
  return () => {
    removeEventListener('online', hurry)
    clearTimeout(soon)
    stops.forEach((stop) => stop())
    batch(() => {
      letters.value = []
      sessions.value = []
      session.value = ''
      conversation.value = empty('')
    })
    kept.clear()
  }
}

/** Follows the session on the screen while somebody looks. */
function listen(): (() => void) | undefined {
  const name = session.value
  if (name === '' || away.value) return undefined
  const stop = new AbortController()
  const follower = {
    cursor: () => conversation.value.cursor,
    events: (list: ServerEvent[]) => {
      if (!stop.signal.aborted) receive(list)
    },
    connection: (state: Connection) => {
      if (!stop.signal.aborted) connection.value = state
    },
  }
  untracked(() => follow(name, follower, stop.signal)).catch((err: unknown) => {
    if (!stop.signal.aborted) toast(err)
  })
  return () => stop.abort()
}

function receive(list: ServerEvent[]): void {
  const before = conversation.value
  const next = list.reduce((c, event) => apply(c, event.id, event.data), before)
  const keys = new Set(next.items.flatMap((item) => (item.kind === 'user' ? [item.key] : [])))
  batch(() => {
    conversation.value = next
    letters.value = outbox.seen(letters.value, keys)
  })
  for (const [run, times] of Object.entries(next.runs)) {
    if (before.runs[run] !== times) refresh(run)
  }
  if (next.items.length > before.items.length) loadSoon()
}

let soon: ReturnType<typeof setTimeout> | undefined

/** Reads the sessions again once the events stop coming in: their titles and order may have changed. */
function loadSoon(): void {
  clearTimeout(soon)
  soon = setTimeout(() => void loadSessions(), 500)
}

/** Reads the list of sessions. */
export async function loadSessions(): Promise<void> {
  try {
    const { sessions: list } = await call<{ sessions: Session[] | null }>('adapter-web/sessions')
    sessions.value = list ?? []
  } catch (err) {
    if (!retryable(err)) toast(err)
  }
}

/** Says something in the session on the screen. */
export function say(text: string): void {
  letters.value = outbox.post(letters.value, session.value, random(16), text, Date.now())
}

/** Presses a button that the assistant offered. */
export async function choose(value: string): Promise<void> {
  try {
    await call('adapter-web/messages', { method: 'POST', body: { session: session.value, text: '', key: random(16), press: value } })
  } catch (err) {
    toast(err)
  }
}

export function sayAgain(key: string): void {
  letters.value = outbox.retry(letters.value, key, Date.now())
}

export function forget(key: string): void {
  letters.value = outbox.drop(letters.value, key)
}

/** Makes every waiting letter due: the machine is back online. */
function hurry(): void {
  letters.value = letters.value.map((letter) => (letter.state === 'waiting' ? { ...letter, next: 0 } : letter))
}

/** Sends what is due, and comes back for what is due later. */
function deliver(): (() => void) | undefined {
  if (!account.value) return undefined
  const now = Date.now()
  const letter = outbox.due(letters.value, now)
  if (letter) {
    untracked(() => void send(letter))
    return undefined
  }
  const at = outbox.wake(letters.value)
  if (at === undefined) return undefined
  const timer = setTimeout(() => (letters.value = [...letters.value]), Math.max(50, at - now))
  return () => clearTimeout(timer)
}

async function send({ session: name, key, text, tries }: outbox.Letter): Promise<void> {
  letters.value = outbox.sending(letters.value, key)
  try {
    await call('adapter-web/messages', { method: 'POST', body: { session: name, text, key } })
    letters.value = outbox.sent(letters.value, key)
  } catch (err) {
    letters.value = failed(letters.value, key, tries, err)
  }
}

function failed(box: outbox.Outbox, key: string, tries: number, err: unknown): outbox.Outbox {
  const wait = err instanceof Fault ? Math.max(err.after, backoff(tries + 1)) : 0
  // Signing in again sends it; nothing is wrong with the message.
  const again = retryable(err) || (err instanceof Fault && err.kind === 'unauthorized')
  if (again) return outbox.later(box, key, Date.now() + wait)
  return outbox.refused(box, key, err instanceof Error ? err.message : String(err))
}
