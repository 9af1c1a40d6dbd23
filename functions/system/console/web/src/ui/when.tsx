import { now } from '../attention.ts'
import { time } from '../runs/fold.ts'
import { ago, full } from './clock.ts'

/** A time as its distance from now, and in full when pointed at. Nothing for none. */
export function Ago({ at }: { at: string | undefined }) {
  const ms = time(at)
  if (ms === undefined) return null
  return <time dateTime={at} title={full(ms)}>{ago(ms, now.value)}</time>
}
