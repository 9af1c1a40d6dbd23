import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { choose, fill, holes } from './words.ts'

function catalogue(lang: string): Record<string, string> {
  return JSON.parse(readFileSync(new URL(`../locales/${lang}.json`, import.meta.url), 'utf8')) as Record<string, string>
}

test('both catalogues have the same texts with the same values in them', () => {
  const [en, zh] = [catalogue('en'), catalogue('zh')]
  assert.deepEqual(Object.keys(zh), Object.keys(en))
  for (const [key, text] of Object.entries(en)) {
    assert.deepEqual(holes(zh[key] ?? ''), holes(text), key)
    assert.notEqual(text.trim(), '', key)
    assert.notEqual(zh[key]?.trim(), '', key)
  }
})

test('catalogues are sorted, so that two people adding texts do not collide', () => {
  const keys = Object.keys(catalogue('en'))
  assert.deepEqual(keys, keys.toSorted())
})

test('the language is the chosen one, else the browser\'s first that we speak', () => {
  assert.equal(choose('en', ['zh-CN']), 'en')
  assert.equal(choose(null, ['fr', 'en-GB', 'zh']), 'en')
  assert.equal(choose(null, ['zh-Hant-TW', 'en']), 'zh')
  assert.equal(choose('klingon', []), 'zh')
})

test('values are put in where they are known', () => {
  assert.equal(fill('{n} of {total} {other}', { n: 0, total: 3 }), '0 of 3 {other}')
})
