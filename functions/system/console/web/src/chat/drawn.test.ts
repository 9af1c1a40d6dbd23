import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Answer } from './conversation.ts'
import { asTask, headline, isDrawn } from './drawn.ts'

function answer(markdown: string, run = 'r3f-abc'): Answer {
  return { kind: 'answer', key: 'k', seq: 1, markdown, buttons: [], files: [], run, repeated: false, draft: false, at: '' }
}

test('a plan or result written out is the card in words', () => {
  const plan = answer('**计划：销售报表**\n\n1. 读取  `query`\n\n运行 `r3f-abc` · 等待批准')
  assert.equal(isDrawn(plan), true)
  assert.equal(headline(plan), '计划：销售报表')
})

test('any other text about a run is not', () => {
  for (const text of ['Not done: the plan is not the one that was shown `r3f-abc`', 'Stopped `r3f-abc`.', '**Done**\n- x\n', '', '**bold** and `r3f-abc`']) {
    assert.equal(isDrawn(answer(text)), false, text)
    assert.equal(headline(answer(text)), '')
  }
  assert.equal(isDrawn(answer('**Plan**\n\n`r3f-abc`', '')), false)
})

test('a task in an answer is recognised', () => {
  assert.equal(asTask('{"task_id":"a","trigger":{"type":"cron"},"steps":[]}')?.startsWith('{\n  "task_id": "a"'), true)
  for (const text of ['', 'x', '[]', '{"task_id":"a"}', '{"task_id":"a","trigger":{},"steps":1}', 'null']) assert.equal(asTask(text), undefined)
})
