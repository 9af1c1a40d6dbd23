/**
 * Returns how long to wait after this many failures in a row: doubling from one second to half a minute,
 * less up to a third by chance, so that the pages of an office do not all come back in the same second.
 */
export function backoff(failures: number, chance = Math.random()): number {
  if (failures <= 0) return 0
  const full = Math.min(30_000, 1000 * 2 ** (failures - 1))
  return Math.round(full * (1 - chance / 3))
}

/** Resolves after ms, at once when the machine comes back online, and when signal aborts. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (ms <= 0 || signal.aborted) return resolve()
    const done = () => {
      clearTimeout(timer)
      removeEventListener('online', done)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    addEventListener('online', done)
    signal.addEventListener('abort', done)
  })
}
