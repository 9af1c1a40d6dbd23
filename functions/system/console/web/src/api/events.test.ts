import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EventParser } from './events.ts'

const stream = ': hello\n\nid: 1-1\ndata: {"a":1}\n\nevent: x\r\nid: 1-2\r\ndata: two\r\ndata: lines\r\n\r\n: ping\n\ndata:no id of its own\n\n'

test('the chunks do not matter', () => {
  for (let size = 1; size <= stream.length; size++) {
    const parser = new EventParser()
    const events = []
    for (let i = 0; i < stream.length; i += size) events.push(...parser.push(stream.slice(i, i + size)))
    assert.deepEqual(events, [
      { id: '1-1', data: '{"a":1}' }, { id: '1-2', data: 'two\nlines' }, { id: '1-2', data: 'no id of its own' },
    ], `chunks of ${size}`)
  }
})

test('an event that is not ended is not given out', () => {
  assert.deepEqual(new EventParser().push('id: 1\ndata: half'), [])
})
