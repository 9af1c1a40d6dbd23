import { useCallback, useEffect, useState } from 'preact/hooks'
import { Fault } from '../api/fault.ts'

/** What a read came to. */
export interface Read<T> {
  value?: T
  fault?: Fault
  again: () => void
}

/** Reads something when the component appears, when a key changes, and on again. */
export function useRead<T>(read: (signal: AbortSignal) => Promise<T>, keys: readonly unknown[]): Read<T> {
  const [state, setState] = useState<{ value?: T; fault?: Fault }>({})
  const [turn, setTurn] = useState(0)
  useEffect(() => {
    const stop = new AbortController()
    read(stop.signal).then(
      (value) => setState({ value }),
      (err: unknown) => {
        if (!stop.signal.aborted && err instanceof Fault) setState({ fault: err })
      },
    )
    return () => stop.abort()
  }, [...keys, turn])
  const again = useCallback(() => setTurn((n) => n + 1), [])
  return { ...state, again }
}
