/** One server-sent event. */
export interface ServerEvent {
  id: string
  data: string
}

/**
 * EventParser cuts a text/event-stream into events, whatever the chunks it arrives in (WHATWG HTML,
 * section 9.2.6). Comments and fields other than id and data are dropped.
 */
export class EventParser {
  #rest = ''
  #id = ''
  #data: string[] = []

  push(chunk: string): ServerEvent[] {
    const lines = (this.#rest + chunk).split(/\r\n|\n|\r(?!$)/)
    this.#rest = lines.pop() ?? ''
    return lines.flatMap((line) => this.#line(line))
  }

  #line(line: string): ServerEvent[] {
    if (line === '') return this.#end()
    const colon = line.indexOf(':')
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (field === 'id') this.#id = value
    if (field === 'data') this.#data.push(value)
    return []
  }

  #end(): ServerEvent[] {
    const event = { id: this.#id, data: this.#data.join('\n') }
    const empty = this.#data.length === 0
    this.#data = []
    return empty ? [] : [event]
  }
}
