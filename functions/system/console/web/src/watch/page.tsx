import { useEffect, useState } from 'preact/hooks'
import { atLeast } from '../api/account.ts'
import { call } from '../api/call.ts'
import { Fault } from '../api/fault.ts'
import type { Alert } from '../api/types.ts'
import { lang, name, t } from '../i18n.ts'
import { Link } from '../navigation.tsx'
import { Icon } from '../ui/icon.tsx'
import { Failure, Loading } from '../ui/notice.tsx'
import { toast } from '../ui/toast.tsx'
import { Ago } from '../ui/when.tsx'
import { Budgets } from './budgets.tsx'
import { Letters } from './letters.tsx'
import { alerts, loadAlerts } from './store.ts'

/** What needs a person: alerts, what could not be delivered, and what is nearly spent. */
export function WatchPage() {
  return (
    <div class="page">
      <header class="pagehead"><h1>{t('alerts')}</h1></header>
      <Alerts />
      {atLeast('operator') && <Letters />}
      <Budgets />
    </div>
  )
}

function Alerts() {
  const [fault, setFault] = useState<Fault | undefined>()
  const [all, setAll] = useState(false)
  const load = () => {
    loadAlerts().then(() => setFault(undefined), (err: unknown) => (err instanceof Fault ? setFault(err) : toast(err)))
  }
  useEffect(load, [])
  const list = alerts.value
  if (!list) return fault ? <Failure fault={fault} retry={load} /> : <Loading />
  const shown = all ? list : list.filter((alert) => !alert.resolved)
  return (
    <section class="panel" aria-label={t('alerts')}>
      <div class="filters" role="group" aria-label={t('runs.filter')}>
        <button type="button" aria-pressed={!all} onClick={() => setAll(false)}>{t('alerts.open')}<small>{list.filter((alert) => !alert.resolved).length}</small></button>
        <button type="button" aria-pressed={all} onClick={() => setAll(true)}>{t('filter.all')}<small>{list.length}</small></button>
      </div>
      {shown.length === 0 && <p class="none">{t('alerts.none')}</p>}
      <ul class="rowlist">{shown.map((alert) => <Row key={alert.id} alert={alert} />)}</ul>
    </section>
  )
}

function Row({ alert }: { alert: Alert }) {
  const [busy, setBusy] = useState(false)
  const resolve = () => {
    setBusy(true)
    call(`system-tasks/alerts/${encodeURIComponent(alert.id)}/resolve`, { method: 'POST', body: {} }).then(loadAlerts).catch(toast).finally(() => setBusy(false))
  }
  return (
    <li>
      <span class={`pill ${alert.resolved ? 'dim' : 'bad'}`}><Icon of={alert.resolved ? 'check' : 'alert'} />{name('alert', alert.kind)}</span>
      <div class="about">
        <strong>{alert.title[lang.value]}{alert.count ? ` (${alert.count})` : ''}</strong>
        <p>{alert.text[lang.value]}</p>
        <p class="facts">
          <Ago at={alert.at} />
          {alert.user && <span>{alert.user}</span>}
          {alert.run && <Link to={{ at: 'runs', run: alert.run }}>{t('alert.run')}</Link>}
          {alert.task && <Link to={{ at: 'tasks', task: alert.task }}>{alert.task}</Link>}
          {alert.resolved && alert.by && <span>{t('alert.by', { by: alert.by })}</span>}
        </p>
      </div>
      {!alert.resolved && <button type="button" disabled={busy} onClick={resolve}><Icon of="check" />{t('alert.resolve')}</button>}
    </li>
  )
}
