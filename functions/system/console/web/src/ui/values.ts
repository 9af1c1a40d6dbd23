/** Named values, as a plan's parameters are. */
export type Values = Record<string, unknown>

/** Returns the values of an object, and none for anything else. */
export function valuesOf(value: unknown): Values {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}
}

/** Writes a value into a field: text as it is, all else as JSON. */
export function written(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/**
 * Reads what was typed where a value stood. Text stays text. The rest is JSON, or text where it is none; an empty
 * field is null, which takes a parameter out.
 */
export function typed(text: string, old: unknown): unknown {
  if (typeof old === 'string') return text
  if (text.trim() === '') return null
  try {
    return JSON.parse(text) as unknown
  } catch {
    return text
  }
}

/** Returns the values whose text differs from how they were, each under its prefix. */
export function changed(prefix: string, values: Values, texts: Record<string, string>): Values {
  const out: Values = {}
  for (const [name, old] of Object.entries(values)) {
    const text = texts[prefix + name]
    if (text !== undefined && text !== written(old)) out[prefix + name] = typed(text, old)
  }
  return out
}
