import { t } from '../i18n.ts'
import { Link, route } from '../navigation.tsx'
import { Icon } from '../ui/icon.tsx'
import { Ago } from '../ui/when.tsx'
import { newSession, session, sessions } from './store.ts'

/** The conversations, newest first. */
export function Sessions() {
  const here = route.value.at === 'chat'
  return (
    <nav class="sessions" aria-label={t('sessions')}>
      <header>
        <h2>{t('sessions')}</h2>
        <Link to={{ at: 'chat', session: newSession() }} class="button plain" label={t('chat.new')}><Icon of="plus" /></Link>
      </header>
      <ul>
        {sessions.value.map((one) => (
          <li key={one.session}>
            <Link to={{ at: 'chat', session: one.session }} current={here && one.session === session.value}>
              <span>{one.title || one.session}</span>
              <small><Ago at={one.at} /></small>
            </Link>
          </li>
        ))}
      </ul>
    </nav>
  )
}
