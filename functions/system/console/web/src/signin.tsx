import { useState } from 'preact/hooks'
import { account } from './api/account.ts'
import { backoff, pause } from './api/backoff.ts'
import { call } from './api/call.ts'
import { Fault, retryable } from './api/fault.ts'
import type { Account } from './api/types.ts'
import { t } from './i18n.ts'
import { explain } from './ui/explain.ts'
import { Mark } from './ui/icon.tsx'
import { Tools } from './tools.tsx'
import { codeIn } from './code.ts'

/** Takes the single-use code out of the address at once: it must not stay in the history or in a screenshot. */
export function takeCode(): string {
  const code = codeIn(location.hash)
  if (code !== '') history.replaceState(null, '', location.pathname + location.search)
  return code
}

/** Finds out who is here: by the code of the sign-in link if there is one, else by the cookie. */
export async function arrive(code: string): Promise<void> {
  // A used-up code is no harm to somebody who is signed in already.
  if (code !== '' && (await exchange(code)) === undefined) return
  for (let failures = 1; account.value === undefined; failures++) {
    try {
      account.value = await call<Account>('system-auth/me')
    } catch (err) {
      if (!retryable(err)) account.value = null
      else await pause(backoff(failures), new AbortController().signal)
    }
  }
}

/** Exchanges a code or token for the cookie. Returns what went wrong. */
async function exchange(code: string): Promise<unknown> {
  try {
    account.value = await call<Account>('system-auth/signin', { method: 'POST', body: { code } })
    return undefined
  } catch (err) {
    return err
  }
}

export async function signOut(): Promise<void> {
  try {
    await call('system-auth/signout', { method: 'POST', body: {} })
  } finally {
    account.value = null
  }
}

/** What people see who are not signed in: how to get in. */
export function SignIn() {
  const [text, setText] = useState('')
  const [problem, setProblem] = useState('')
  const [busy, setBusy] = useState(false)
  const submit = async () => {
    setBusy(true)
    const err = await exchange(codeIn(text))
    setBusy(false)
    if (!err) return
    setProblem(err instanceof Fault && err.kind === 'unauthorized' && err.message === '' ? t('signin.refused') : explain(err))
  }
  return (
    <main class="signin">
      <form onSubmit={(e) => (e.preventDefault(), void submit())}>
        <Mark />
        <h1>{t('signin.title')}</h1>
        <p>{t('signin.text')}</p>
        <ul>
          <li><code>hearth up</code><span>{t('signin.up')}</span></li>
          <li><code>hearth user token NAME</code><span>{t('signin.token')}</span></li>
        </ul>
        <label for="code">{t('signin.code')}</label>
        <input id="code" value={text} autocomplete="off" spellcheck={false} autofocus onInput={(e) => setText(e.currentTarget.value)} />
        {problem && <p class="error" role="alert">{problem}</p>}
        <button type="submit" class="primary" disabled={busy || codeIn(text) === ''}>{t('signin')}</button>
      </form>
      <Tools />
    </main>
  )
}
