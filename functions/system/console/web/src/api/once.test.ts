import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import { once } from './once.ts'

const { fetch } = globalThis
afterEach(() => {
  globalThis.fetch = fetch
})

/** Answers one request after the other, a status of 0 by a broken connection. Returns the keys that came. */
function answers(...statuses: number[]): string[] {
  const keys: string[] = []
  globalThis.fetch = (_, init) => {
    keys.push(new Headers(init?.headers).get('Idempotency-Key') ?? '')
    const status = statuses.shift() ?? 0
    return status === 0 ? Promise.reject(new TypeError('cut')) : Promise.resolve(new Response('{}', { status }))
  }
  return keys
}

test('a request whose answer got lost keeps its key', async () => {
  const keys = answers(0, 503, 200, 200)
  await assert.rejects(once('f', { a: 1 }))
  await assert.rejects(once('f', { a: 1 }))
  await once('f', { a: 1 })
  await once('f', { a: 1 })
  assert.match(keys[0] ?? '', /^"[0-9a-f]{32}"$/)
  assert.deepEqual([keys[1], keys[2]], [keys[0], keys[0]])
  assert.notEqual(keys[3], keys[0], 'after its answer, the same is another request')
})

test('a refused request, and another body, have keys of their own', async () => {
  const keys = answers(409, 200, 0, 200)
  await assert.rejects(once('f', { a: 1 }))
  await once('f', { a: 1 })
  await assert.rejects(once('f', { a: 2 }))
  await once('f', { a: 3 })
  assert.equal(new Set(keys).size, 4)
})
