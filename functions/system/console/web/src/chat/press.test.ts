import assert from 'node:assert/strict'
import { test } from 'node:test'
import { press } from './press.ts'

test('buttons name what to do, to which run, bound to which digest', () => {
  assert.deepEqual(press('a:r3f-abcdefghij:9f2c4e81aa07'), { verb: 'approve', run: 'r3f-abcdefghij', digest: '9f2c4e81aa07' })
  assert.deepEqual(press('d:r3f-abcdefghij:9f2c4e81aa07')?.verb, 'deny')
  assert.deepEqual(press('u:r3f-abcdefghij'), { verb: 'undo', run: 'r3f-abcdefghij', digest: '' })
  assert.deepEqual(press('s:r3f-abcdefghij')?.verb, 'cancel')
})

test('other values are not ours', () => {
  for (const value of ['', 'yes', 'a:', 'a:../../x:1', 'x:r3f-abc', 'a:r3f-abc:1:2']) assert.equal(press(value), undefined, value)
})
