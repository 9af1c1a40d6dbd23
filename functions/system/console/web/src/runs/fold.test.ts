import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Run, Step } from '../api/types.ts'
import { focus, grouped, matches, merge, needs, newer, replace, time } from './fold.ts'
import { box, layout } from './layout.ts'
import { asTable, cell } from './table.ts'

function step(id: string, state: Step['state'] = 'done', more: Partial<Step> = {}): Step {
  return { id, plugin: 'p', state, ...more }
}

function run(id: string, rev: number, more: Partial<Run> = {}): Run {
  return { id, rev, created: '2026-11-22T09:00:00Z', state: 'running', ...more }
}

test('an older view never replaces a newer one', () => {
  assert.equal(newer(run('a', 3), run('a', 2)).rev, 3)
  assert.equal(newer(run('a', 3), run('a', 3, { title: 'fresh' })).title, 'fresh')
  assert.deepEqual(merge([run('a', 3), run('b', 1)], run('b', 2)).map((r) => r.rev), [3, 2])
  assert.deepEqual(merge([run('a', 3)], run('a', 2)).map((r) => r.rev), [3])
  assert.deepEqual(merge([run('a', 3)], run('new', 1)).map((r) => r.id), ['new', 'a'])
  assert.deepEqual(replace([run('a', 5), run('gone', 1)], [run('b', 1), run('a', 4)]).map((r) => [r.id, r.rev]), [['b', 1], ['a', 5]])
})

test('a run opens on what failed, then on what goes on', () => {
  const of = (...steps: Step[]) => focus(run('a', 1, { steps }))?.id
  assert.equal(of(step('a'), step('b', 'failed'), step('c', 'skipped')), 'b')
  assert.equal(of(step('a', 'running'), step('b', 'unknown')), 'b')
  assert.equal(of(step('a'), step('b', 'running'), step('c', 'planned')), 'b')
  assert.equal(of(step('a'), step('b'), step('c', 'skipped')), 'b')
  assert.equal(of(step('a', 'planned'), step('b', 'planned')), 'a')
  assert.equal(of(), undefined)
  const named = run('a', 1, { error: { step: 'c', kind: 'failed', message: 'x' }, steps: [step('a', 'failed'), step('c', 'undone')] })
  assert.equal(focus(named)?.id, 'c')
})

test('every state has a filter', () => {
  const states: Run['state'][] = ['waiting_approval', 'running', 'waiting', 'done', 'failed', 'rolling_back', 'rolled_back', 'needs_human', 'stopped', 'undoing', 'undone', 'denied', 'expired']
  for (const state of states) {
    const found = (['approval', 'active', 'failed', 'done'] as const).filter((filter) => matches(run('a', 1, { state }), filter))
    assert.equal(found.length, 1, state)
  }
})

test('a plan without edges is a chain, one with any is what it says', () => {
  assert.deepEqual([...needs([step('a'), step('b'), step('c')])], [['a', []], ['b', ['a']], ['c', ['b']]])
  assert.deepEqual([...needs([step('a'), step('b'), step('c', 'done', { needs: ['a', 'gone'] })])], [['a', []], ['b', []], ['c', ['a']]])
})

test('the many steps of a foreach are one box, in the state that matters most', () => {
  const list = [step('list'), step('mail[0]', 'done', { needs: ['list'] }), step('mail[1]', 'failed', { needs: ['list'] }), step('mail[2]', 'done', { needs: ['list'] }), step('end', 'skipped', { needs: ['mail'] })]
  assert.deepEqual(grouped(list).map((one) => [one.id, one.state, one.count]), [['list', 'done', 1], ['mail', 'failed', 3], ['end', 'skipped', 1]])
  assert.deepEqual(needs(list).get('end'), ['mail[0]', 'mail[1]', 'mail[2]'])
  assert.deepEqual(needs(grouped(list)).get('end'), ['mail'])
  assert.deepEqual(needs([step('a'), step('b[0]'), step('b[1]'), step('c')]).get('c'), ['b[0]', 'b[1]'])
})

test('no two boxes of a graph overlap, and every edge leads to the right', () => {
  const steps = [step('a'), step('b', 'done', { needs: ['a'] }), step('c', 'done', { needs: ['a'] }), step('d', 'done', { needs: ['b', 'c', 'a'] }), step('e', 'done', { needs: ['a', 'd'] })]
  const { nodes, edges, width, height, box: side } = layout(steps, 900)
  const at = new Map(nodes.map((node) => [node.id, node]))
  for (const [i, one] of nodes.entries()) {
    assert.ok(one.x >= 0 && one.y >= 0 && one.x + side <= width && one.y + box.height <= height)
    for (const other of nodes.slice(i + 1)) {
      assert.ok(Math.abs(one.x - other.x) >= side || Math.abs(one.y - other.y) >= box.height, `${one.id} ${other.id}`)
    }
  }
  assert.equal(edges.length, 7)
  for (const { from, to } of edges) assert.ok((at.get(from)?.x ?? 0) < (at.get(to)?.x ?? 0), `${from} ${to}`)
})

test('an edge over several columns keeps clear of the boxes between', () => {
  const steps = [step('a'), step('b', 'done', { needs: ['a'] }), step('c', 'done', { needs: ['b', 'a'] })]
  const { nodes, edges } = layout(steps, 900)
  const long = edges.find((edge) => edge.from === 'a' && edge.to === 'c')
  const between = nodes.find((node) => node.id === 'b')
  const lane = Number(/ ([\d.]+)H/.exec(long?.path ?? '')?.[1])
  assert.ok(between && (lane < between.y || lane > between.y + box.height), `lane ${lane}`)
})

test('boxes share the place there is, within limits', () => {
  const steps = [step('a'), step('b'), step('c')]
  assert.deepEqual([2000, 550, 100].map((place) => layout(steps, place).box), [box.widest, 162, box.narrowest])
  assert.ok(layout(steps, 550).width <= 550)
})

test('a cycle, which no valid plan has, does not hang', () => {
  assert.equal(layout([step('a', 'done', { needs: ['b'] }), step('b', 'done', { needs: ['a'] })], 900).nodes.length, 2)
  assert.deepEqual(layout([], 900).nodes, [])
})

test('the zero time of Go is no time', () => {
  assert.equal(time('0001-01-01T00:00:00Z'), undefined)
  assert.equal(time(''), undefined)
  assert.equal(time('nonsense'), undefined)
  assert.equal(time('1970-01-01T00:00:01Z'), 1000)
})

test('a table is a table only when it is one', () => {
  assert.deepEqual(asTable({ columns: ['a'], rows: [[1]], truncated: true }), { columns: ['a'], rows: [[1]], truncated: true })
  for (const value of [null, 1, {}, { columns: [], rows: [] }, { columns: ['a'], rows: [1] }, { columns: 'a', rows: [] }]) assert.equal(asTable(value), undefined)
  assert.deepEqual([null, 1, 'x', true, { a: 1 }].map(cell), ['', '1', 'x', 'true', '{"a":1}'])
})
