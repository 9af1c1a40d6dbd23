import assert from 'node:assert/strict'
import { test } from 'node:test'
import { backoff } from './backoff.ts'
import { Fault, decode, retryable } from './fault.ts'

test('a function\'s answer keeps all it says', () => {
  const fault = decode(429, '{"error":{"kind":"limited","message":"slow down","field":"text","next":"wait","after_ms":1500}}', '2')
  assert.deepEqual([fault.kind, fault.message, fault.field, fault.next, fault.after, fault.status], ['limited', 'slow down', 'text', 'wait', 1500, 429])
})

test('a proxy\'s page still gives a kind', () => {
  const cases: [number, string][] = [[400, 'invalid'], [404, 'not_found'], [418, 'invalid'], [502, 'unknown'], [503, 'unavailable'], [599, 'internal']]
  for (const [status, kind] of cases) assert.equal(decode(status, '<html>', null).kind, kind)
  assert.equal(decode(503, '{"error":"text"}', '7').after, 7000)
})

test('only what can succeed later is tried again', () => {
  for (const kind of ['offline', 'limited', 'unavailable', 'timeout', 'unknown']) assert.equal(retryable(new Fault(kind, '')), true, kind)
  for (const kind of ['invalid', 'forbidden', 'conflict', 'too_large', 'unauthorized']) assert.equal(retryable(new Fault(kind, '')), false, kind)
  assert.equal(retryable(new TypeError('ours')), false)
})

test('waits double up to half a minute, and spread', () => {
  assert.deepEqual([0, 1, 2, 3, 6, 60].map((n) => backoff(n, 0)), [0, 1000, 2000, 4000, 30_000, 30_000])
  assert.equal(backoff(2, 1), 1333)
})
