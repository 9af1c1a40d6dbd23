import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Answer, type Conversation, apply, awaited, cards, empty } from './conversation.ts'

const at = '2026-11-22T09:00:00Z'

/** Folds events with ids 1-1, 1-2 … */
function fold(events: object[], start: Conversation = empty('s')): Conversation {
  return events.reduce<Conversation>((c, event, i) => apply(c, `1-${i + 1}`, JSON.stringify(event)), start)
}

const user = (key: string, text = key) => ({ type: 'user', key, text, from: 'mei', at })
const draft = (seq: number, text: string) => ({ type: 'draft', seq, text })
const answer = (seq: number, key: string, more = {}) => ({ type: 'answer', key, seq, markdown: `final ${key}`, buttons: null, at, ...more })

function answers(c: Conversation): Answer[] {
  return c.items.filter((item) => item.kind === 'answer')
}

test('drafts grow one answer and the final one takes its place', () => {
  const growing = fold([user('k'), draft(1, 'Hello '), draft(1, 'world. ')])
  assert.equal(answers(growing)[0]?.markdown, 'Hello world. ')
  assert.equal(awaited(growing), true)
  const done = fold([user('k'), draft(1, 'Hello '), draft(1, 'world. '), answer(1, 'a')])
  assert.deepEqual(answers(done).map((a) => [a.markdown, a.draft]), [['final a', false]])
  assert.equal(awaited(done), false)
})

test('drafts of two answers at once do not mix', () => {
  const c = fold([draft(1, 'a'), draft(2, 'b'), draft(1, 'c'), answer(2, 'two')])
  assert.deepEqual(answers(c).map((a) => [a.seq, a.markdown]), [[1, 'ac'], [2, 'final two']])
})

test('a draft that comes after its answer is ignored', () => {
  assert.deepEqual(answers(fold([answer(1, 'a'), draft(1, 'late')])).map((a) => a.markdown), ['final a'])
})

test('a log may be replayed from anywhere', () => {
  const events = [user('k'), draft(1, 'x'), draft(1, 'y'), answer(1, 'a'), user('k2')]
  const once = fold(events)
  const twice = fold(events, once)
  assert.deepEqual(twice, once)
})

test('ids are compared as numbers, not as text', () => {
  const c = apply(apply(empty('s'), '9-1', JSON.stringify(user('a'))), '10-1', JSON.stringify(user('b')))
  assert.equal(c.items.length, 2)
  assert.equal(apply(c, '9-99', JSON.stringify(user('c'))), c)
})

test('a message that was accepted twice appears once', () => {
  assert.equal(fold([user('k'), user('k')]).items.length, 1)
})

test('a repeated delivery replaces its first copy and says so', () => {
  const c = fold([answer(1, 'a'), answer(1, 'a', { repeated: true })])
  assert.deepEqual(answers(c).map((a) => a.repeated), [true])
})

test('the result of a run is an answer of its own, also with the number of the first', () => {
  const c = fold([user('k'), answer(1, 'plan', { run: 'r1' }), answer(1, 'result', { run: 'r1' })])
  assert.deepEqual(answers(c).map((a) => a.key), ['plan', 'result'])
  assert.deepEqual([...cards(c)], [['r1', 2]])
})

test('each hint about a run counts', () => {
  const c = fold([answer(1, 'plan', { run: 'r1' }), { type: 'run', run: 'r1', state: 'running' }, { type: 'run', run: 'r2', state: 'done' }])
  assert.deepEqual(c.runs, { r1: 2, r2: 1 })
})

test('what cannot be read, and what is newer than this page, moves on', () => {
  const c = apply(apply(empty('s'), '1-1', 'not json'), '1-2', '{"type":"from the future"}')
  assert.deepEqual([c.items.length, c.cursor], [0, '1-2'])
})
