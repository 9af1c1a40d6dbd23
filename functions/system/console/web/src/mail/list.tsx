import { call } from '../api/call.ts'
import type { Mail } from '../api/types.ts'
import { t } from '../i18n.ts'
import { Link } from '../navigation.tsx'
import { Icon } from '../ui/icon.tsx'
import { Failure, Loading, Notice } from '../ui/notice.tsx'
import { useRead } from '../ui/use.ts'
import { Ago } from '../ui/when.tsx'

/** The local mailbox: what would have been sent, where no mail server is set up. */
export function MailList() {
  const read = useRead((signal) => call<{ mails: Mail[] | null }>('system-mail/', { signal }), [])
  if (read.fault) return <Failure fault={read.fault} retry={read.again} />
  if (!read.value) return <Loading />
  const mails = read.value.mails ?? []
  if (mails.length === 0) return <Notice icon="mail" title={t('mail.none')}><p>{t('mail.none.text')}</p></Notice>
  return (
    <div class="page">
      <header class="pagehead">
        <h1>{t('mail')}</h1>
        <button type="button" onClick={read.again}><Icon of="retry" />{t('refresh')}</button>
      </header>
      <p class="hint">{t('mail.text')}</p>
      <ul class="list">{mails.map((mail) => <MailRow key={mail.id} mail={mail} />)}</ul>
    </div>
  )
}

function MailRow({ mail }: { mail: Mail }) {
  const files = mail.attachments?.length ?? 0
  return (
    <li>
      <Link to={{ at: 'mail', mail: mail.id }} class="item">
        <span class="main">
          <strong>{mail.subject || t('mail.nosubject')}</strong>
          <small>{t('mail.to', { to: mail.to.join(', ') })}</small>
        </span>
        <span class="side">
          <Ago at={mail.at} />
          {files > 0 && <small class="count"><Icon of="file" />{files}</small>}
        </span>
      </Link>
    </li>
  )
}
