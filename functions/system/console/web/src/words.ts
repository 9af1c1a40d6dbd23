/** The languages of the page. */
export type Lang = 'zh' | 'en'

/** Chooses a language: the one chosen before, else the browser's first that we speak, else Chinese. */
export function choose(kept: string | null, preferred: readonly string[]): Lang {
  for (const tag of [kept ?? '', ...preferred]) {
    const lang = tag.toLowerCase().split('-')[0]
    if (lang === 'zh' || lang === 'en') return lang
  }
  return 'zh'
}

/** Puts values into a text: "{n} steps". */
export function fill(text: string, values: Record<string, string | number>): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole))
}

/** Returns the names of the values that a text takes, sorted. */
export function holes(text: string): string[] {
  return [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '').sort()
}
