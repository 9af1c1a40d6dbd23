import { useState } from 'preact/hooks'
import { account, atLeast } from '../api/account.ts'
import { call } from '../api/call.ts'
import type { Brake } from '../api/types.ts'
import { t } from '../i18n.ts'
import { loadRuns } from '../runs/store.ts'
import { ask } from '../ui/ask.tsx'
import { Icon } from '../ui/icon.tsx'
import { tell, toast } from '../ui/toast.tsx'
import { Ago } from '../ui/when.tsx'
import { brakes, loadBrakes } from './store.ts'

/** Stops everything, for everybody and until somebody resumes it; or, without the right to that, one's own runs. */
export function StopAll() {
  const [busy, setBusy] = useState(false)
  const all = atLeast('operator')
  if (!atLeast('member') || (all && brakes.value.some((brake) => !brake.user))) return null
  const stop = async () => {
    const text = t(all ? 'ask.stopall.text' : 'ask.stopmine.text')
    if (!(await ask({ title: t(all ? 'ask.stopall' : 'ask.stopmine'), text, yes: t(all ? 'stop.all' : 'stop.mine'), danger: true }))) return
    const user = all ? '' : (account.value?.user ?? '')
    const { stopped } = await call<{ stopped: string[] | null }>('system-tasks/stop', { method: 'POST', body: { user, run: '' } })
    tell(t('stop.done', { n: stopped?.length ?? 0 }))
    await Promise.all([loadBrakes(), loadRuns()])
  }
  const press = () => {
    setBusy(true)
    stop().catch(toast).finally(() => setBusy(false))
  }
  return <button type="button" class="stopall" disabled={busy} onClick={press}><Icon of="stop" />{t(all ? 'stop.all' : 'stop.mine')}</button>
}

/** Says what is stopped, for as long as it is. It is always there, because screen readers watch only what was there before. */
export function Brakes() {
  return <div class="brakes" role="status">{brakes.value.map((brake) => <Stopped key={brake.user ?? ''} brake={brake} />)}</div>
}

function Stopped({ brake }: { brake: Brake }) {
  const [busy, setBusy] = useState(false)
  const { user = '', by } = brake
  const resume = () => {
    setBusy(true)
    call('system-tasks/resume', { method: 'POST', body: { user } }).catch(toast).then(loadBrakes).catch(toast).finally(() => setBusy(false))
  }
  return (
    <div class="brake">
      <Icon of="stop" />
      <p><b>{user ? t('stopped.user', { user }) : t('stopped.all')}</b> {t('stopped.by', { by })} <Ago at={brake.at} /></p>
      {atLeast(user ? 'operator' : 'admin') && <button type="button" disabled={busy} onClick={resume}><Icon of="play" />{t('resume')}</button>}
    </div>
  )
}
