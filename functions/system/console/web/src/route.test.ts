import assert from 'node:assert/strict'
import { test } from 'node:test'
import { codeIn } from './code.ts'
import { type Route, format, parse } from './route.ts'

test('every place has an address that leads back to it', () => {
  const routes: Route[] = [
    { at: 'chat' }, { at: 'chat', session: 'web-1/ü ?#' }, { at: 'runs' }, { at: 'runs', run: 'r3f-abc' }, { at: 'runs', run: 'r3f-abc', step: 's 1&x' },
    { at: 'tasks' }, { at: 'tasks', create: true }, { at: 'tasks', task: 'new' }, { at: 'mail' }, { at: 'mail', mail: '<1@x>' },
    { at: 'alerts' }, { at: 'files' },
  ]
  for (const route of routes) {
    const url = new URL(format(route), 'http://host/prefix/function/system-console/')
    assert.deepEqual(parse(url.pathname.slice('/prefix/function/system-console/'.length), url.search), route)
  }
})

test('an address that means nothing is nowhere', () => {
  for (const path of ['x', 'runs/a/b', 'settings/1', 'alerts/1']) assert.deepEqual(parse(path), { at: 'nowhere' })
  assert.deepEqual(parse('runs/%zz'), { at: 'runs', run: '%zz' })
})

test('a code is found in whatever was pasted', () => {
  const cases: [string, string][] = [
    ['http://127.0.0.1:8080/function/system-console/#code=ab-C_1', 'ab-C_1'], ['#code=ab%2B1', 'ab+1'], ['  ab12  ', 'ab12'], ['ht_eyJ.abc-_=', 'ht_eyJ.abc-_='],
    ['', ''], ['two words', ''], ['http://host/', ''], ['#other=1', ''],
  ]
  for (const [text, code] of cases) assert.equal(codeIn(text), code, text)
})
