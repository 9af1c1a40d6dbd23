import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as outbox from './outbox.ts'

function box(...posts: [session: string, key: string][]): outbox.Outbox {
  return posts.reduce<outbox.Outbox>((all, [session, key]) => outbox.post(all, session, key, `text ${key}`, 1000), [])
}

test('letters of a session leave in order, one at a time', () => {
  let letters = box(['s', 'a'], ['s', 'b'])
  assert.equal(outbox.due(letters, 1000)?.key, 'a')
  letters = outbox.sending(letters, 'a')
  assert.equal(outbox.due(letters, 1000), undefined)
  letters = outbox.sent(letters, 'a')
  assert.equal(outbox.due(letters, 1000)?.key, 'b')
})

test('a letter that waits holds back its session and no other', () => {
  const letters = outbox.later(box(['s', 'a'], ['s', 'b'], ['t', 'c']), 'a', 9000)
  assert.equal(outbox.due(letters, 2000)?.key, 'c')
  assert.equal(outbox.due(outbox.drop(letters, 'c'), 2000), undefined)
  assert.equal(outbox.wake(outbox.drop(letters, 'c')), 9000)
  assert.equal(outbox.due(letters, 9000)?.key, 'a')
})

test('a refused letter does not hold back the next, and goes again when asked', () => {
  let letters = outbox.refused(box(['s', 'a'], ['s', 'b']), 'a', 'too long')
  assert.equal(outbox.due(letters, 1000)?.key, 'b')
  letters = outbox.retry(letters, 'a', 1000)
  assert.equal(outbox.due(letters, 1000)?.key, 'a')
  assert.equal(letters[0]?.why, '')
})

test('a letter goes when its event comes, whether its answer came or not', () => {
  const letters = outbox.sending(box(['s', 'a'], ['s', 'b']), 'a')
  const rest = outbox.seen(letters, new Set(['a']))
  assert.deepEqual(rest.map((letter) => letter.key), ['b'])
  assert.equal(outbox.sent(rest, 'a').length, 1)
  assert.equal(outbox.seen(rest, new Set(['x'])), rest)
})

test('a letter that was on its way when the page died goes again with the same key', () => {
  const [letter] = outbox.sending(box(['s', 'a']), 'a')
  const restored = outbox.restore(JSON.stringify(letter))
  assert.deepEqual([restored?.key, restored?.state, restored?.next], ['a', 'waiting', 0])
})

test('what the server has, and what is no letter, is not restored', () => {
  const [letter] = outbox.sent(box(['s', 'a']), 'a')
  for (const text of [JSON.stringify(letter), '', 'null', '[]', '{"key":1}']) assert.equal(outbox.restore(text), undefined)
})
