import type { Trigger } from '../api/types.ts'
import { t } from '../i18n.ts'
import { weekday } from '../ui/clock.ts'
import { when } from './when.ts'

/** Says when a task runs. */
export function describe(trigger: Trigger | null | undefined): string {
  const w = when(trigger)
  const zone = trigger?.timezone ? ` (${trigger.timezone})` : ''
  switch (w.kind) {
    case 'daily':
    case 'weekdays':
      return t(`when.${w.kind}`, { time: w.time }) + zone
    case 'weekly':
      return t('when.weekly', { day: weekday(w.day), time: w.time }) + zone
    case 'monthly':
      return t('when.monthly', { date: w.date, time: w.time }) + zone
    case 'hourly':
      return t('when.hourly', { minute: w.minute }) + zone
    case 'minutes':
      return t('when.minutes', { n: w.every })
    case 'cron':
    case 'every':
    case 'at':
    case 'message':
      return t(`when.${w.kind}`, { text: w.text }) + zone
    case 'webhook':
    case 'manual':
      return t(`when.${w.kind}`)
  }
}
