import { useEffect } from 'preact/hooks'
import { t } from '../i18n.ts'
import { go } from '../navigation.tsx'
import { Icon } from '../ui/icon.tsx'
import { narrow } from '../ui/narrow.ts'
import { Composer } from './composer.tsx'
import { Log } from './log.tsx'
import { connection, enter, newSession, session, sessions } from './store.ts'

/** A conversation. Without a name it is a new one. */
export function ChatPage({ name }: { name: string | undefined }) {
  useEffect(() => {
    if (name) enter(name)
    else go({ at: 'chat', session: newSession() }, 'replace')
  }, [name])
  return (
    <div class="chat">
      {!narrow.value && <header class="chathead"><ChatTitle /></header>}
      <Log key={session.value} />
      <Composer />
    </div>
  )
}

/** What the conversation is about. A phone shows it in the bar at the top. */
export function ChatTitle() {
  return (
    <>
      <h1>{sessions.value.find((one) => one.session === session.value)?.title || t('chat.new')}</h1>
      <Connection />
    </>
  )
}

/** Says when what is on the screen may be behind. */
function Connection() {
  const state = connection.value
  if (state === 'live') return null
  const text = state === 'offline' ? t(navigator.onLine ? 'link.away' : 'link.offline') : t('link.connecting')
  return <span class={`connection ${state}`} role="status"><Icon of={state === 'offline' ? 'alert' : 'clock'} />{text}</span>
}
