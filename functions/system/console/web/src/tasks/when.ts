import type { Trigger } from '../api/types.ts'

/** When a task runs, in a form that has words in every language. */
export type When =
  | { kind: 'daily' | 'weekdays'; time: string }
  | { kind: 'weekly'; time: string; day: number }
  | { kind: 'monthly'; time: string; date: number }
  | { kind: 'hourly'; minute: string }
  | { kind: 'minutes'; every: number }
  | { kind: 'cron' | 'every' | 'at' | 'message'; text: string }
  | { kind: 'webhook' | 'manual' }

const shorthand: Record<string, string> = {
  '@hourly': '0 * * * *', '@daily': '0 0 * * *', '@midnight': '0 0 * * *', '@weekly': '0 0 * * 0', '@monthly': '0 0 1 * *',
}

/** Reads a trigger. A cron schedule that has no simple words stays as it is. */
export function when(trigger: Trigger | null | undefined): When {
  const schedule = trigger?.schedule?.trim() ?? ''
  switch (trigger?.type) {
    case 'cron':
      return cron(shorthand[schedule] ?? schedule) ?? { kind: 'cron', text: schedule }
    case 'every':
    case 'at':
      return { kind: trigger.type, text: schedule }
    case 'message':
      return { kind: 'message', text: trigger.phrase ?? '' }
    case 'webhook':
      return { kind: 'webhook' }
    default:
      return { kind: 'manual' }
  }
}

function cron(schedule: string): When | undefined {
  const fields = schedule.split(/\s+/)
  const [minute = '', hour = '', date = '', month = '', day = ''] = fields
  if (fields.length !== 5 || month !== '*') return undefined
  if (hour === '*' && date === '*' && day === '*') return frequent(minute)
  if (!isNumber(minute, 59) || !isNumber(hour, 23)) return undefined
  const time = `${hour.padStart(2, '0')}:${minute.padStart(2, '0')}`
  if (date === '*' && day === '*') return { kind: 'daily', time }
  if (date === '*' && /^(1-5|mon-fri)$/i.test(day)) return { kind: 'weekdays', time }
  if (date === '*' && isNumber(day, 7)) return { kind: 'weekly', time, day: Number(day) % 7 }
  if (day === '*' && isNumber(date, 31)) return { kind: 'monthly', time, date: Number(date) }
  return undefined
}

function frequent(minute: string): When | undefined {
  const every = /^\*\/(\d+)$/.exec(minute)
  if (every) return { kind: 'minutes', every: Number(every[1]) }
  if (minute === '*') return { kind: 'minutes', every: 1 }
  return isNumber(minute, 59) ? { kind: 'hourly', minute: minute.padStart(2, '0') } : undefined
}

function isNumber(text: string, max: number): boolean {
  return /^\d{1,2}$/.test(text) && Number(text) <= max
}
