import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Run, Step } from '../api/types.ts'
import { timeline } from './timeline.ts'

const origin = Date.parse('2026-11-22T09:00:00Z')
const at = (seconds: number) => new Date(origin + seconds * 1000).toISOString()
const now = origin + 60_000

function step(id: string, more: Partial<Step>): Step {
  return { id, plugin: 'p', state: 'done', ...more }
}

function run(steps: Step[], more: Partial<Run> = {}): Run {
  return { id: 'r', rev: 1, created: at(0), state: 'done', ended: at(10), steps, ...more }
}

const ended = (n: number, from: number, to: number) => ({ n, started: at(from), ended: at(to) })
const broke = (n: number, from: number, to: number) => ({ ...ended(n, from, to), error: { kind: 'timeout', message: 'x' } })

test('each attempt is a bar of its own, with the wait between them', () => {
  const { rows } = timeline(run([step('a', { attempts: [broke(1, 0, 3), ended(2, 5, 10)] })]), now)
  assert.deepEqual(rows[0]?.bars.map((bar) => [bar.kind, bar.state, bar.n]), [['attempt', 'failed', 1], ['wait', 'done', 0], ['attempt', 'done', 2]])
  assert.deepEqual(rows[0]?.bars.map((bar) => [bar.left.toFixed(2), bar.width.toFixed(2)]), [['0.00', '0.30'], ['0.30', '0.20'], ['0.50', '0.50']])
})

test('an attempt at work reaches to the present', () => {
  const { rows, end } = timeline(run([step('a', { state: 'running', attempts: [{ n: 1, started: at(50) }] })], { state: 'running', ended: '' }), now)
  assert.equal(end, now)
  assert.deepEqual([rows[0]?.bars[0]?.state, rows[0]?.bars[0]?.to], ['running', now])
})

test('an undo comes after the attempt and does not change what it was', () => {
  const one = step('a', { state: 'undone', attempts: [ended(1, 0, 2)], undo: { possible: false, state: 'done', started: at(6), ended: at(8) } })
  const { rows } = timeline(run([one]), now)
  assert.deepEqual(rows[0]?.bars.map((bar) => [bar.kind, bar.state]), [['attempt', 'done'], ['undo', 'undone']])
})

test('a recall window is a wait into the future', () => {
  const one = step('a', { state: 'waiting', wait_until: at(90) })
  const { rows, end } = timeline(run([one], { state: 'waiting', ended: '' }), now)
  assert.equal(end, origin + 90_000)
  assert.deepEqual(rows[0]?.bars.map((bar) => [bar.kind, bar.state]), [['wait', 'open']])
})

test('a night of waiting is drawn short, and the work keeps its proportions', () => {
  const night = 12 * 3600
  const approval = { needed: true, state: 'approved', by: 'mei', at: at(night) }
  const line = timeline(run([step('a', { attempts: [ended(1, night, night + 2)] }), step('b', { attempts: [ended(1, night + 2, night + 6)] })], { approval, ended: at(night + 6) }), now)
  assert.deepEqual(line.gaps.map((gap) => gap.took), [night * 1000])
  assert.deepEqual(line.rows.map((row) => row.step), ['', 'a', 'b'])
  const [wait, a, b] = line.rows.map((row) => row.bars[0])
  assert.ok(wait && a && b)
  assert.ok(wait.width < 0.06)
  assert.ok(Math.abs(b.width / a.width - 2) < 1e-6)
  assert.ok(Math.abs(b.left + b.width - 1) < 1e-6)
})

test('an approval that nobody gave ends with its run', () => {
  const line = timeline(run([], { state: 'stopped', ended: at(7), approval: { needed: true, state: 'open' } }), now)
  assert.deepEqual(line.rows[0]?.bars.map((bar) => bar.to), [origin + 7000])
})

test('bars stay inside, whatever the clocks of two machines say', () => {
  const odd = run([step('a', { attempts: [ended(1, -5, -8), ended(2, 30, 20)] })], { ended: at(-2) })
  for (const bar of timeline(odd, now).rows.flatMap((row) => row.bars)) {
    assert.ok(bar.left >= 0 && bar.width >= 0 && bar.left + bar.width <= 1.000001, JSON.stringify(bar))
  }
  assert.doesNotThrow(() => timeline({ ...run([]), created: '' }, now))
})
