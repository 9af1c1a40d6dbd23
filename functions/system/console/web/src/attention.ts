import { effect, signal } from '@preact/signals'

/** The present, in milliseconds since 1970, a second exact while the page is visible. */
export const now = signal(Date.now())

/**
 * Whether nobody looks: the page opened hidden, or has been for a while. Streams and polls end then, because a browser
 * opens only six connections to one host and every forgotten tab would hold one or two of them.
 */
export const away = signal(document.hidden)

const patience = 10_000

/** Starts to watch the page's visibility and the clock. */
export function watch(): void {
  let timer: ReturnType<typeof setTimeout> | undefined
  setInterval(() => {
    if (!document.hidden) now.value = Date.now()
  }, 1000)
  document.addEventListener('visibilitychange', () => {
    clearTimeout(timer)
    if (document.hidden) {
      timer = setTimeout(() => (away.value = true), patience)
    } else {
      now.value = Date.now()
      away.value = false
    }
  })
}

/** Keeps something fresh while somebody looks. The signal that keep gets aborts when nobody does. Returns a stop. */
export function whileLooking(keep: (signal: AbortSignal) => Promise<void>): () => void {
  return effect(() => {
    if (away.value) return undefined
    const end = new AbortController()
    void keep(end.signal)
    return () => end.abort()
  })
}
