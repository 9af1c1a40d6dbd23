import { effect, signal } from '@preact/signals'
import en from '../locales/en.json' with { type: 'json' }
import zh from '../locales/zh.json' with { type: 'json' }
import { type Lang, choose, fill } from './words.ts'

/** The name of a text. Both catalogues have all of them. */
export type Key = keyof typeof en

const catalogues: Record<Lang, Record<Key, string>> = { en, zh }
const storage = 'hearth.lang'

export const lang = signal<Lang>(choose(localStorage.getItem(storage), navigator.languages))

/** Keeps the document's language. Only a choice is kept, so that others follow their browser. */
export function applyLang(): void {
  effect(() => {
    document.documentElement.lang = lang.value === 'zh' ? 'zh-CN' : 'en'
  })
}

export function chooseLang(chosen: Lang): void {
  localStorage.setItem(storage, chosen)
  lang.value = chosen
}

/** Returns a text in the page's language. */
export function t(key: Key, values: Record<string, string | number> = {}): string {
  return fill(catalogues[lang.value][key], values)
}

/** Returns the name of a value that came from a server, or the value itself when it is newer than this page. */
export function name(group: string, value: string): string {
  const key = `${group}.${value}`
  return key in catalogues.en ? t(key as Key) : value
}
