/**
 * The outbox holds what somebody said until it is in the session's event log: over reloads, offline, and
 * with the same key on every try, so that the server can tell a repetition.
 */
export interface Letter {
  session: string
  key: string
  text: string
  at: string
  /** sent: the server has it, and its event is on the way; failed: the server refused it. */
  state: 'waiting' | 'sending' | 'sent' | 'failed'
  tries: number
  /** When to try again, in milliseconds since 1970. */
  next: number
  /** Why the server refused it. */
  why: string
}

export type Outbox = readonly Letter[]

export function post(box: Outbox, session: string, key: string, text: string, now: number): Outbox {
  const at = new Date(now).toISOString()
  return [...box, { session, key, text, at, state: 'waiting', tries: 0, next: now, why: '' }]
}

export function sending(box: Outbox, key: string): Outbox {
  return change(box, key, (letter) => ({ ...letter, state: 'sending', tries: letter.tries + 1 }))
}

export function sent(box: Outbox, key: string): Outbox {
  return change(box, key, (letter) => ({ ...letter, state: 'sent' }))
}

/** Puts a letter back for a later try. */
export function later(box: Outbox, key: string, next: number): Outbox {
  return change(box, key, (letter) => ({ ...letter, state: 'waiting', next }))
}

/** Marks a letter that the server will never take as it is. */
export function refused(box: Outbox, key: string, why: string): Outbox {
  return change(box, key, (letter) => ({ ...letter, state: 'failed', why }))
}

export function retry(box: Outbox, key: string, now: number): Outbox {
  return change(box, key, (letter) => ({ ...letter, state: 'waiting', next: now, tries: 0, why: '' }))
}

export function drop(box: Outbox, key: string): Outbox {
  return box.filter((letter) => letter.key !== key)
}

/** Drops the letters whose event has come. */
export function seen(box: Outbox, keys: ReadonlySet<string>): Outbox {
  return box.some((letter) => keys.has(letter.key)) ? box.filter((letter) => !keys.has(letter.key)) : box
}

function change(box: Outbox, key: string, how: (letter: Letter) => Letter): Outbox {
  return box.map((letter) => (letter.key === key ? how(letter) : letter))
}

/** Returns the letter to send now, if any. */
export function due(box: Outbox, now: number): Letter | undefined {
  return heads(box).find((letter) => letter.next <= now)
}

/** Returns when the next letter is due, or undefined when none waits. */
export function wake(box: Outbox): number | undefined {
  const times = heads(box).map((letter) => letter.next)
  return times.length > 0 ? Math.min(...times) : undefined
}

/**
 * Returns the first letter of each session that nothing holds back: within a session letters leave in
 * order, so one that waits or is on its way holds back those behind it. One that was refused does not.
 */
function heads(box: Outbox): Letter[] {
  const held = new Set<string>()
  return box.filter((letter) => {
    const head = letter.state === 'waiting' && !held.has(letter.session)
    if (letter.state === 'waiting' || letter.state === 'sending') held.add(letter.session)
    return head
  })
}

/** Reads a kept letter. One that was on its way may or may not have arrived: it goes again, with its key. */
export function restore(text: string): Letter | undefined {
  const letter = parse(text)
  if (!letter || letter.state === 'sent') return undefined
  return letter.state === 'failed' ? letter : { ...letter, state: 'waiting', next: 0 }
}

function parse(text: string): Letter | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isLetter(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isLetter(value: unknown): value is Letter {
  if (typeof value !== 'object' || value === null) return false
  const letter = value as Partial<Letter>
  return [letter.session, letter.key, letter.text, letter.at, letter.state].every((field) => typeof field === 'string')
}
