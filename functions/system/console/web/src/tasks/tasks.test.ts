import assert from 'node:assert/strict'
import { test } from 'node:test'
import { check, locate, offsetOf } from './place.ts'
import { when } from './when.ts'

const text = `{
  "task_id": "x",
  "trigger": {"type": "cron", "schedule": "0 9 * * *"},
  "steps": [
    {"plugin": "a", "params": {"b\\"c]": [1, "}"], "sql": "SELECT 1"}},
    {"plugin": "b", "params": {"to": -1.5e3}}
  ]
}
`

test('an error shows where it is', () => {
  const cases: [string, string | undefined][] = [
    ['line 3, column 7', '3:7'], ['line 4', '4:1'], ['trigger.schedule', '3:31'], ['steps[0].params.sql', '5:51'],
    ['steps[1].params.to', '6:32'], ['steps[1]', '6:5'], ['steps[1].params.missing', '6:21'], ['steps[9].x', '4:3'], ['nothing', undefined], ['', undefined],
  ]
  for (const [field, want] of cases) {
    const place = locate(text, field)
    assert.equal(place && `${place.line}:${place.column}`, want, field)
  }
})

test('the search ends in text that is not JSON', () => {
  for (const broken of ['', '{', '{"a"', '{"a":', '{"a":[', '{"a":[1,', '[[[', '{"steps":[{"x"', '}', '"']) {
    assert.doesNotThrow(() => locate(broken, 'steps[3].params.sql'), broken)
    assert.doesNotThrow(() => locate(broken, 'a[1]'), broken)
  }
})

test('a place is an offset', () => {
  assert.equal(text.slice(offsetOf(text, { line: 2, column: 3 })).startsWith('"task_id"'), true)
  assert.equal(offsetOf('ab', { line: 9, column: 9 }), 2)
})

test('a slip of the keyboard is found here', () => {
  assert.equal(check(text), undefined)
  const slip = check('{\n  "a": 1,\n  "b" 2\n}')
  assert.equal(slip?.place.line, 3)
  assert.notEqual(slip?.message, '')
  assert.equal(check('{"a": [1, 2')?.place.line, 1)
})

test('schedules have words where words are simple', () => {
  const cron = (schedule: string) => when({ type: 'cron', schedule })
  assert.deepEqual(cron('0 9 * * *'), { kind: 'daily', time: '09:00' })
  assert.deepEqual(cron('@daily'), { kind: 'daily', time: '00:00' })
  assert.deepEqual(cron('30 2 * * 1-5'), { kind: 'weekdays', time: '02:30' })
  assert.deepEqual(cron('5 18 * * 7'), { kind: 'weekly', time: '18:05', day: 0 })
  assert.deepEqual(cron('0 8 1 * *'), { kind: 'monthly', time: '08:00', date: 1 })
  assert.deepEqual(cron('15 * * * *'), { kind: 'hourly', minute: '15' })
  assert.deepEqual(cron('*/10 * * * *'), { kind: 'minutes', every: 10 })
  for (const odd of ['0 9 1 * 1', '0 9-17 * * *', '0 9 * 3 *', '61 9 * * *', 'nonsense', '']) assert.deepEqual(cron(odd), { kind: 'cron', text: odd })
})

test('other triggers say what they are', () => {
  assert.deepEqual(when({ type: 'every', schedule: '90m' }), { kind: 'every', text: '90m' })
  assert.deepEqual(when({ type: 'message', phrase: 'report' }), { kind: 'message', text: 'report' })
  assert.deepEqual(when({ type: 'webhook' }), { kind: 'webhook' })
  assert.deepEqual(when(undefined), { kind: 'manual' })
  assert.deepEqual(when(null), { kind: 'manual' })
})
