import assert from 'node:assert/strict'
import { test } from 'node:test'
import { changed, typed, valuesOf, written } from './values.ts'

test('what was not touched is not sent', () => {
  const values = { to: ['a@example.com'], subject: 'Hi', n: 3, big: { a: 1 } }
  const texts = { 'mail.to': '["a@example.com"]', 'mail.subject': 'Hi', 'mail.n': '3', 'other.n': '4' }
  assert.deepEqual(changed('mail.', values, texts), {})
  assert.deepEqual(changed('mail.', values, { ...texts, 'mail.to': 'bo@example.com', 'mail.n': '' }), { 'mail.to': 'bo@example.com', 'mail.n': null })
})

test('text stays text, even where it looks like JSON', () => {
  assert.equal(typed('42', 'old'), '42')
  assert.equal(typed('', 'old'), '')
  assert.equal(typed('42', 1), 42)
  assert.deepEqual(typed('["a"]', []), ['a'])
  assert.equal(typed('  ', 1), null)
  assert.equal(typed('{broken', {}), '{broken')
})

test('a value goes into a field and comes back as it was', () => {
  for (const value of ['', 'x', '"quoted"', 0, false, null, [1, 'a'], { a: { b: 1 } }]) assert.deepEqual(typed(written(value), value), value)
})

test('only an object has named values', () => {
  for (const value of [undefined, null, 1, 'x', [1]]) assert.deepEqual(valuesOf(value), {})
  assert.deepEqual(valuesOf({ a: 1 }), { a: 1 })
})
