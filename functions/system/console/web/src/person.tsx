import { useState } from 'preact/hooks'
import { account } from './api/account.ts'
import { call } from './api/call.ts'
import { name, t } from './i18n.ts'
import { signOut } from './signin.tsx'
import { Command } from './ui/command.tsx'
import { Icon } from './ui/icon.tsx'
import { tell, toast } from './ui/toast.tsx'

/** Who is signed in, with what only they can do for themselves. */
export function Person() {
  const who = account.value
  if (!who) return null
  return (
    <details class="person">
      <summary><Icon of="user" /><span>{who.user}<small>{name('role', who.role)}</small></span></summary>
      <Pair />
      <button type="button" onClick={() => void signOut().catch(toast)}><Icon of="leave" />{t('signout')}</button>
    </details>
  )
}

/** Links a chat identity to this account, with the code that the assistant gave there. */
function Pair() {
  const [code, setCode] = useState('')
  const pair = async () => {
    const answer = await call<{ platform: string; sender: string }>('system-auth/pair', { method: 'POST', body: { code: code.trim() } })
    setCode('')
    tell(t('pair.done', { platform: answer.platform }))
  }
  return (
    <form class="pair" onSubmit={(e) => (e.preventDefault(), void pair().catch(toast))}>
      <label for="pair">{t('pair')}</label>
      <p>{t('pair.text')}</p>
      <div class="row">
        <input id="pair" value={code} autocomplete="off" placeholder={t('pair.code')} onInput={(e) => setCode(e.currentTarget.value)} />
        <button type="submit" disabled={code.trim() === ''} aria-label={t('pair')}><Icon of="link" /></button>
        {code.trim() && <Command line={`hearth pair ${code.trim()}`} />}
      </div>
    </form>
  )
}
