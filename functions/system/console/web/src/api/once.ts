import { call } from './call.ts'
import { retryable } from './fault.ts'
import { random } from './random.ts'

// The keys of requests whose answers got lost, by what they ask for.
const unanswered = new Map<string, string>()

/** Posts what makes something new, under a key. When it is asked for again after its answer got lost, it is the same request, and makes nothing twice. */
export async function once<T>(path: string, body: unknown): Promise<T> {
  const what = `${path} ${JSON.stringify(body)}`
  const key = unanswered.get(what) ?? random(16)
  unanswered.set(what, key)
  try {
    const made = await call<T>(path, { method: 'POST', body, headers: { 'Idempotency-Key': `"${key}"` } })
    unanswered.delete(what)
    return made
  } catch (err) {
    if (!retryable(err)) unanswered.delete(what)
    throw err
  }
}
