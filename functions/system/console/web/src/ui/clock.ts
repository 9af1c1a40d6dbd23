import { lang, t } from '../i18n.ts'

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour

/** Says how long something took. */
export function span(ms: number): string {
  if (ms < second) return t('span.ms', { n: Math.max(0, Math.round(ms)) })
  if (ms < minute) return t('span.s', { n: ms < 10 * second ? (ms / second).toFixed(1) : Math.round(ms / second) })
  if (ms < hour) return t('span.min', { n: Math.floor(ms / minute), s: Math.round((ms % minute) / second) })
  if (ms < day) return t('span.h', { n: Math.floor(ms / hour), m: Math.round((ms % hour) / minute) })
  return t('span.d', { n: Math.floor(ms / day), h: Math.round((ms % day) / hour) })
}

/** Says how far a time is from now, in words. */
export function ago(at: number, now: number): string {
  const words = new Intl.RelativeTimeFormat(locale(), { numeric: 'auto', style: 'short' })
  const gap = at - now
  const size = Math.abs(gap)
  if (size < 45 * second) return t('time.now')
  if (size < hour) return words.format(Math.round(gap / minute), 'minute')
  if (size < day) return words.format(Math.round(gap / hour), 'hour')
  if (size < 14 * day) return words.format(Math.round(gap / day), 'day')
  return new Intl.DateTimeFormat(locale(), { year: 'numeric', month: 'short', day: 'numeric' }).format(at)
}

/** Writes a time out in full. */
export function full(at: number): string {
  return new Intl.DateTimeFormat(locale(), { dateStyle: 'medium', timeStyle: 'medium' }).format(at)
}

/** Writes the time of day. */
export function clock(at: number, seconds = false): string {
  const style = seconds ? 'medium' : 'short'
  return new Intl.DateTimeFormat(locale(), { timeStyle: style }).format(at)
}

/** Writes a number of bytes. */
export function bytes(n: number): string {
  const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte']
  const i = n < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(n) / 3))
  const style = { style: 'unit', unit: units[i] ?? 'byte', unitDisplay: 'short', maximumFractionDigits: 1 } as const
  return new Intl.NumberFormat(locale(), style).format(n / 1000 ** i)
}

/** Writes an amount. */
export function amount(n: number): string {
  return new Intl.NumberFormat(locale(), { maximumFractionDigits: 2 }).format(n)
}

/** Returns the name of a day of the week, 0 for Sunday. */
export function weekday(n: number): string {
  // 4 January 1970 was a Sunday.
  return new Intl.DateTimeFormat(locale(), { weekday: 'long', timeZone: 'UTC' }).format((3 + n) * day)
}

function locale(): string {
  return lang.value === 'zh' ? 'zh-CN' : 'en'
}
