import { backoff, pause } from './backoff.ts'
import { call, open } from './call.ts'
import { EventParser, type ServerEvent } from './events.ts'
import { Fault } from './fault.ts'

export type Connection = 'connecting' | 'live' | 'offline'

export interface Follower {
  /** The id of the last event it has. */
  cursor(): string
  events(list: ServerEvent[]): void
  connection(state: Connection): void
}

// The server says something at least every 15 s. A stream that says nothing for this long is dead, or held
// back by a proxy that waits for its end.
const silence = 40_000
const day = 86_400_000

/**
 * Follows the event log of a session until signal aborts, over server-sent events, and over long polls
 * where a proxy swallows those. It resumes after the last event it gave out. Throws only when the server
 * refuses for good.
 */
export async function follow(session: string, to: Follower, signal: AbortSignal): Promise<void> {
  let failures = 0
  let mute = 0
  while (!signal.aborted) {
    to.connection(failures === 0 ? 'connecting' : 'offline')
    const [began, cursor] = [Date.now(), to.cursor()]
    try {
      const heard = mute < 2 ? await stream(session, to, signal) : await poll(session, to, signal)
      if (!heard) mute++
      // An answer that comes at once and brings nothing must not be asked for again at once.
      const worked = heard && (to.cursor() !== cursor || Date.now() - began > 1000)
      failures = worked ? 0 : failures + 1
    } catch (err) {
      if (signal.aborted || final(err)) throw err
      failures++
    }
    await pause(backoff(failures), signal)
  }
}

function final(err: unknown): boolean {
  return err instanceof Fault && (err.kind === 'unauthorized' || err.kind === 'forbidden')
}

/** Reads one stream to its end. Reports whether anything came. */
async function stream(session: string, to: Follower, signal: AbortSignal): Promise<boolean> {
  const dead = new AbortController()
  const stop = AbortSignal.any([signal, dead.signal])
  let watchdog = setTimeout(() => dead.abort(), silence)
  const headers: Record<string, string> = { Accept: 'text/event-stream' }
  if (to.cursor() !== '') headers['Last-Event-ID'] = to.cursor()
  let heard = false
  try {
    const answer = await open('adapter-web/events', { query: { session }, headers, signal: stop, timeout: day })
    const parser = new EventParser()
    to.connection('live')
    for await (const chunk of chunks(answer)) {
      clearTimeout(watchdog)
      watchdog = setTimeout(() => dead.abort(), silence)
      heard = true
      const events = parser.push(chunk)
      if (events.length > 0) to.events(events)
    }
  } catch (err) {
    if (signal.aborted || !dead.signal.aborted) throw err
  } finally {
    clearTimeout(watchdog)
  }
  return heard
}

async function* chunks(answer: Response): AsyncGenerator<string> {
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader()
  while (reader) {
    const { done, value } = await reader.read()
    if (done) return
    yield value
  }
}

async function poll(session: string, to: Follower, signal: AbortSignal): Promise<boolean> {
  const query = { session, wait: 30, after: to.cursor() }
  const { events } = await call<{ events: ServerEvent[] | null }>('adapter-web/events', { query, signal, timeout: silence })
  to.connection('live')
  if (events?.length) to.events(events.map((e) => ({ id: e.id, data: text(e.data) })))
  return true
}

/** The data of a polled event may be the JSON itself or a string that holds it. */
function text(data: unknown): string {
  return typeof data === 'string' ? data : JSON.stringify(data)
}
