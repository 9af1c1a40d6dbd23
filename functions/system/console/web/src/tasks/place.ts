/** A place in a text, counted from one, as editors count. */
export interface Place {
  line: number
  column: number
}

/** Returns the place that an error names: "line 3, column 7", or a path such as "steps[1].params.sql". */
export function locate(text: string, field: string): Place | undefined {
  const direct = /line (\d+)(?:, column (\d+))?/i.exec(field)
  if (direct) return { line: Number(direct[1]), column: Number(direct[2] ?? 1) }
  const path = segments(field)
  if (path.length === 0) return undefined
  const offset = find(text, path)
  return offset === undefined ? undefined : at(text, offset)
}

/** Returns the place of an offset. */
export function at(text: string, offset: number): Place {
  const before = text.slice(0, offset).split('\n')
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 }
}

/** Returns the offset of a place. */
export function offsetOf(text: string, place: Place): number {
  const lines = text.split('\n')
  const before = lines.slice(0, place.line - 1).reduce((sum, line) => sum + line.length + 1, 0)
  return Math.min(text.length, before + Math.min(place.column - 1, lines[place.line - 1]?.length ?? 0))
}

function segments(field: string): (string | number)[] {
  const parts = field.match(/[^.[\]]+/g) ?? []
  return parts.map((part) => (/^\d+$/.test(part) ? Number(part) : part))
}

/**
 * Returns the offset of the value at path, or of the deepest part of the path that is there. The text may
 * be JSON of any quality: what cannot be read ends the search.
 */
function find(text: string, path: readonly (string | number)[]): number | undefined {
  const reader = new Reader(text)
  let found: number | undefined
  for (const segment of path) {
    const next = typeof segment === 'number' ? reader.element(segment) : reader.member(segment)
    if (next === undefined) return found
    found = next
  }
  return found
}

/** Reader walks JSON without building values, so that it knows where each one stands. */
class Reader {
  readonly #text: string
  #i = 0

  constructor(text: string) {
    this.#text = text
  }

  /** Enters the object here and stops at the value of a member. Returns the offset of its name. */
  member(name: string): number | undefined {
    if (!this.#take('{')) return undefined
    while (this.#peek() === '"') {
      const start = this.#i
      const key = this.#string()
      if (!this.#take(':')) return undefined
      this.#blank()
      if (key === name) return start
      if (!this.#skip() || !this.#take(',')) return undefined
    }
    return undefined
  }

  /** Enters the array here and stops at an element. Returns its offset. */
  element(index: number): number | undefined {
    if (!this.#take('[')) return undefined
    for (let n = 0; ; n++) {
      this.#blank()
      if (this.#peek() === ']' || this.#i >= this.#text.length) return undefined
      if (n === index) return this.#i
      if (!this.#skip() || !this.#take(',')) return undefined
    }
  }

  #blank(): void {
    while (/\s/.test(this.#text.charAt(this.#i))) this.#i++
  }

  #peek(): string {
    this.#blank()
    return this.#text.charAt(this.#i)
  }

  #take(char: string): boolean {
    if (this.#peek() !== char) return false
    this.#i++
    return true
  }

  #string(): string {
    const match = /"(?:[^"\\]|\\.)*"/y
    match.lastIndex = this.#i
    const raw = match.exec(this.#text)?.[0] ?? ''
    this.#i += Math.max(1, raw.length)
    return raw.slice(1, -1).replace(/\\(.)/g, '$1')
  }

  /** Passes one value. Reports whether there was one. */
  #skip(): boolean {
    let depth = 0
    do {
      const char = this.#peek()
      if (char === '') return false
      if (char === '"') this.#string()
      else if (/[[{]/.test(char)) depth++, this.#i++
      else if (/[\]}]/.test(char)) depth--, this.#i++
      else if (/[,:]/.test(char)) this.#i++
      else this.#word()
    } while (depth > 0)
    return true
  }

  #word(): void {
    while (this.#i < this.#text.length && !/[\s,:[\]{}"]/.test(this.#text.charAt(this.#i))) this.#i++
  }
}

/** Checks JSON here, so that a slip of the keyboard shows without asking the server. */
export function check(text: string): { place: Place; message: string } | undefined {
  try {
    JSON.parse(text)
    return undefined
  } catch (err) {
    const message = err instanceof Error ? err.message : String(err)
    const offset = /position (\d+)/.exec(message) // Chromium, Node
    const line = /line (\d+) column (\d+)/.exec(message) // Firefox
    const place = offset ? at(text, Number(offset[1]))
      : line ? { line: Number(line[1]), column: Number(line[2]) } : at(text, text.length)
    return { place, message: message.replace(/^JSON\.parse: | at (position|line) \d+.*$|, ".*" is not valid JSON$/gs, '') }
  }
}
