import { signal } from '@preact/signals'
import { pause } from '../api/backoff.ts'
import { call } from '../api/call.ts'
import { Fault } from '../api/fault.ts'
import type { Alert, Brake } from '../api/types.ts'
import { whileLooking } from '../attention.ts'

/** What is stopped until somebody resumes it. */
export const brakes = signal<readonly Brake[]>([])

/** The alerts of the last month, newest first; undefined until they were read. */
export const alerts = signal<readonly Alert[] | undefined>(undefined)

const every = 15_000

/** Reads what is stopped. */
export async function loadBrakes(): Promise<void> {
  brakes.value = (await call<{ stops: Brake[] | null }>('system-tasks/stop')).stops ?? []
}

/** Reads the alerts. */
export async function loadAlerts(): Promise<void> {
  alerts.value = (await call<{ alerts: Alert[] | null }>('system-tasks/alerts')).alerts ?? []
}

/** Keeps both fresh while somebody looks. Returns a stop. */
export function keepWatch(): () => void {
  const stop = whileLooking(keep)
  return () => {
    stop()
    brakes.value = []
    alerts.value = undefined
  }
}

/** What cannot be read now stays as it was: the conversation says when nothing answers. */
async function keep(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    for (const load of [loadBrakes, loadAlerts]) {
      await load().catch((err: unknown) => {
        if (!(err instanceof Fault)) throw err
      })
    }
    await pause(every, signal)
  }
}
