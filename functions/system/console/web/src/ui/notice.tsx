import type { ComponentChildren } from 'preact'
import type { Fault } from '../api/fault.ts'
import { t } from '../i18n.ts'
import { explain } from './explain.ts'
import { Icon, type IconName } from './icon.tsx'

/** What a page shows instead of content: nothing there yet, not found, not reachable. */
export function Notice({ icon, title, children }: { icon: IconName; title: string; children?: ComponentChildren }) {
  return (
    <div class="notice">
      <Icon of={icon} />
      <h2>{title}</h2>
      {children}
    </div>
  )
}

/** A failed read, with a way to try it again. */
export function Failure({ fault, retry }: { fault: Fault; retry?: () => void }) {
  return (
    <Notice icon="alert" title={t('failure.title')}>
      <p>{explain(fault)}</p>
      {retry && <button type="button" onClick={retry}><Icon of="retry" />{t('retry')}</button>}
    </Notice>
  )
}

/** Something is being read. */
export function Loading() {
  return <div class="loading" role="status"><span class="dots" aria-hidden="true"><i /><i /><i /></span>{t('loading')}</div>
}
