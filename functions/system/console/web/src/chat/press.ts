import type { Verb } from '../api/types.ts'

/** Press is what a button under an answer asks for. */
export interface Press {
  verb: Verb
  run: string
  /** The start of the digest that the approval is bound to. */
  digest: string
}

const verbs: Record<string, Verb> = { a: 'approve', d: 'deny', u: 'undo', s: 'cancel' }

/** Reads the value of a button: a:<run>:<digest>, d:<run>:<digest>, u:<run>, s:<run>. Other values are none of ours. */
export function press(value: string): Press | undefined {
  const [letter = '', run = '', digest = '', ...more] = value.split(':')
  const verb = verbs[letter]
  if (!verb || !/^r[0-9a-z]+-[0-9a-z]+$/i.test(run) || more.length > 0) return undefined
  return { verb, run, digest }
}
