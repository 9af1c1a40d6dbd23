import { Fault } from '../api/fault.ts'
import { name, t } from '../i18n.ts'

/** Says in words what went wrong: the server's own where it gave some, else what the kind means. */
export function explain(err: unknown): string {
  if (!(err instanceof Fault)) return err instanceof Error ? err.message : String(err)
  const what = err.message || name('fault', err.kind)
  const where = err.field ? `${err.field}: ` : ''
  const next = err.next ? ` ${t('fault.next', { next: err.next })}` : ''
  return where + what + next
}
