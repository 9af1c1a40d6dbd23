import assert from 'node:assert/strict'
import { test } from 'node:test'
import { target } from './place.ts'

test('a file goes into its folder, however that was written', () => {
  for (const folder of ['/in/2026', 'in/2026/', ' in // 2026 ']) assert.equal(target(folder, 'a.csv'), '/in/2026/a.csv')
  for (const folder of ['', '/', ' ']) assert.equal(target(folder, '报表 1.xlsx'), '/报表 1.xlsx')
  assert.equal(target('..', 'a'), '/../a', 'what leads out of the workspace is for the server to refuse')
})
