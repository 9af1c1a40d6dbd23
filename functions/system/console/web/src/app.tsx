import { useEffect, useState } from 'preact/hooks'
import { account } from './api/account.ts'
import { ChatPage, ChatTitle } from './chat/page.tsx'
import { Sessions } from './chat/sessions.tsx'
import { start } from './chat/store.ts'
import { type Key, t } from './i18n.ts'
import { Link, route } from './navigation.tsx'
import { Person } from './person.tsx'
import type { Route } from './route.ts'
import { RunList } from './runs/list.tsx'
import { keepRuns, runs } from './runs/store.ts'
import { SignIn } from './signin.tsx'
import { Tools } from './tools.tsx'
import { Questions } from './ui/ask.tsx'
import { Icon, type IconName, Mark } from './ui/icon.tsx'
import { lazy } from './ui/lazy.tsx'
import { narrow } from './ui/narrow.ts'
import { Loading, Notice } from './ui/notice.tsx'
import { Toasts } from './ui/toast.tsx'
import { Brakes, StopAll } from './watch/stop.tsx'
import { alerts, keepWatch } from './watch/store.ts'

const RunPage = lazy(() => import('./runs/page.tsx').then((area) => area.RunPage))
const Tasks = lazy(() => import('./tasks/tasks.tsx').then((area) => area.Tasks))
const Mails = lazy(() => import('./mail/mails.tsx').then((area) => area.Mails))
const FilesPage = lazy(() => import('./files/page.tsx').then((area) => area.FilesPage))
const WatchPage = lazy(() => import('./watch/page.tsx').then((area) => area.WatchPage))

/** The page. */
export function App() {
  const who = account.value
  return (
    <>
      {who === undefined && <Loading />}
      {who === null && <SignIn />}
      {who && <Shell key={who.user} user={who.user} />}
      <Questions />
      <Toasts />
    </>
  )
}

const places: { to: Route; icon: IconName; label: Key }[] = [
  { to: { at: 'chat' }, icon: 'chat', label: 'chat' },
  { to: { at: 'runs' }, icon: 'runs', label: 'runs' },
  { to: { at: 'tasks' }, icon: 'tasks', label: 'tasks' },
  { to: { at: 'files' }, icon: 'file', label: 'files' },
  { to: { at: 'mail' }, icon: 'mail', label: 'mail' },
  { to: { at: 'alerts' }, icon: 'alert', label: 'alerts' },
]

function Shell({ user }: { user: string }) {
  const [drawer, setDrawer] = useState(false)
  const here = route.value
  useEffect(() => start(user), [user])
  useEffect(keepRuns, [user])
  useEffect(keepWatch, [user])
  useEffect(() => setDrawer(false), [here])
  useEffect(() => {
    const label = places.find((place) => place.to.at === here.at)?.label
    document.title = label ? `${t(label)} · Hearth` : 'Hearth'
  })
  return (
    <div class={`shell ${drawer ? 'drawn' : ''}`}>
      <a class="skip" href="#main">{t('skip')}</a>
      {narrow.value && (
        <header class="topbar">
          <button type="button" class="plain" aria-label={t('menu')} aria-expanded={drawer} onClick={() => setDrawer(!drawer)}><Icon of="menu" /></button>
          {here.at === 'chat' ? <ChatTitle /> : <><Mark /><strong>Hearth</strong></>}
        </header>
      )}
      {drawer && <div class="shade" onClick={() => setDrawer(false)} />}
      <aside class="side" inert={narrow.value && !drawer}>
        <div class="brand"><Mark /><strong>Hearth</strong></div>
        {!narrow.value && <Places />}
        <Sessions />
        <footer><StopAll /><Person /><Tools /></footer>
      </aside>
      <main id="main" tabindex={-1}><Brakes /><Page to={here} /></main>
      {narrow.value && <Places />}
    </div>
  )
}

function Places() {
  const waiting = (runs.value ?? []).filter((run) => run.state === 'waiting_approval' && run.can?.approve).length
  const open = (alerts.value ?? []).filter((alert) => !alert.resolved).length
  return (
    <nav class="places" aria-label={t('places')}>
      {places.map(({ to, icon, label }) => (
        <Link key={label} to={to} current={route.value.at === to.at}>
          <Icon of={icon} /><span>{t(label)}</span>
          {label === 'runs' && waiting > 0 && <b class="badge" title={t('runs.waiting', { n: waiting })}>{waiting}</b>}
          {label === 'alerts' && open > 0 && <b class="badge bad" title={t('alerts.waiting', { n: open })}>{open}</b>}
        </Link>
      ))}
    </nav>
  )
}

function Page({ to }: { to: Route }) {
  switch (to.at) {
    case 'chat':
      return <ChatPage name={to.session} />
    case 'runs':
      return to.run ? <RunPage key={to.run} id={to.run} step={to.step} /> : <RunList />
    case 'tasks':
      return <Tasks task={to.task} create={to.create} />
    case 'mail':
      return <Mails mail={to.mail} />
    case 'files':
      return <FilesPage />
    case 'alerts':
      return <WatchPage />
    case 'nowhere':
      return <Notice icon="question" title={t('nowhere')}><Link to={{ at: 'chat' }} class="button">{t('chat')}</Link></Notice>
  }
}
