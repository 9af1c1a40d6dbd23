import { type Letter, type Outbox, restore } from './outbox.ts'

/**
 * Shelf keeps the outbox over reloads, each letter under a name of its own: two tabs write to it, and
 * neither must overwrite what the other has not sent yet.
 */
export class Shelf {
  readonly #prefix: string
  #written = new Set<string>()

  constructor(prefix: string) {
    this.#prefix = prefix
  }

  read(): Outbox {
    const names = Object.keys(localStorage).filter((name) => name.startsWith(this.#prefix))
    const letters = names.map((name) => restore(localStorage.getItem(name) ?? ''))
    this.#written = new Set(names)
    return letters.filter((letter): letter is Letter => letter !== undefined).sort((a, b) => a.at.localeCompare(b.at))
  }

  write(box: Outbox): void {
    const keep = box.filter((letter) => letter.state !== 'sent')
    const names = new Set(keep.map((letter) => this.#prefix + letter.key))
    for (const name of this.#written) {
      if (!names.has(name)) localStorage.removeItem(name)
    }
    for (const letter of keep) localStorage.setItem(this.#prefix + letter.key, JSON.stringify(letter))
    this.#written = names
  }
}
