import { effect, signal } from '@preact/signals'
import type en from '../locales/en.json'
import { type Lang, choose, fill } from './words.ts'

/** The name of a text. Both catalogues have all of them. */
export type Key = keyof typeof en

type Catalogue = Record<Key, string>

const load: Record<Lang, () => Promise<{ default: Catalogue }>> = {
  en: () => import('../locales/en.json', { with: { type: 'json' } }),
  zh: () => import('../locales/zh.json', { with: { type: 'json' } }),
}
const storage = 'hearth.lang'

export const lang = signal<Lang>(choose(localStorage.getItem(storage), navigator.languages))
let words = {} as Catalogue

/** Loads the words and keeps the document's language. Only a choice is kept, so that others follow their browser. */
export async function applyLang(): Promise<void> {
  words = (await load[lang.value]()).default
  effect(() => {
    document.documentElement.lang = lang.value === 'zh' ? 'zh-CN' : 'en'
  })
}

/** Changes the language, once its words are there. */
export async function chooseLang(chosen: Lang): Promise<void> {
  words = (await load[chosen]()).default
  localStorage.setItem(storage, chosen)
  lang.value = chosen
}

/** Returns a text in the page's language. Whatever shows it follows the language. */
export function t(key: Key, values: Record<string, string | number> = {}): string {
  void lang.value
  return fill(words[key], values)
}

/** Returns the name of a value that came from a server, or the value itself when it is newer than this page. */
export function name(group: string, value: string): string {
  const key = `${group}.${value}`
  return key in words ? t(key as Key) : value
}
