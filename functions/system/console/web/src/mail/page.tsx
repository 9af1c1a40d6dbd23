import { useMemo, useState } from 'preact/hooks'
import { address, call } from '../api/call.ts'
import type { Mail } from '../api/types.ts'
import { t } from '../i18n.ts'
import { Link } from '../navigation.tsx'
import { time } from '../runs/fold.ts'
import { bytes, full } from '../ui/clock.ts'
import { Command } from '../ui/command.tsx'
import { Icon } from '../ui/icon.tsx'
import { Failure, Loading } from '../ui/notice.tsx'
import { useRead } from '../ui/use.ts'
import { document } from './document.ts'

/** One mail, as it would have reached its readers. */
export function MailPage({ id }: { id: string }) {
  const path = `system-mail/${encodeURIComponent(id)}`
  const read = useRead((signal) => call<Mail>(path, { signal }), [id])
  if (read.fault) return <Failure fault={read.fault} retry={read.again} />
  const mail = read.value
  if (!mail) return <Loading />
  return (
    <article class="page">
      <header class="runhead">
        <Link to={{ at: 'mail' }} class="back"><Icon of="back" />{t('mail')}</Link>
        <h1>{mail.subject || t('mail.nosubject')}</h1>
        <dl class="envelope">
          <dt>{t('mail.from')}</dt><dd>{mail.from}</dd>
          <dt>{t('mail.recipients')}</dt><dd>{mail.to.join(', ')}</dd>
          <dt>{t('mail.at')}</dt><dd>{full(time(mail.at) ?? 0)}</dd>
        </dl>
        <div class="actions">
          {(mail.attachments ?? []).map((file, n) => (
            <a key={n} class="chip file" href={address(`${path}/attachments/${n}`)} download={file.name}>
              <Icon of="download" />{file.name}<small>{bytes(file.size)}</small>
            </a>
          ))}
          <span class="action">
            <a class="button" href={address(`${path}/raw`)} download={`${id}.eml`}><Icon of="file" />{t('mail.raw')}</a>
            <Command line={`hearth mail show ${id}`} />
          </span>
        </div>
      </header>
      <Body mail={mail} />
    </article>
  )
}

function Body({ mail }: { mail: Mail }) {
  const [asText, setText] = useState(!mail.html)
  return (
    <section class="panel mailbody">
      {mail.html && mail.text && (
        <div class="filters" role="group">
          <button type="button" aria-pressed={!asText} onClick={() => setText(false)}>{t('mail.html')}</button>
          <button type="button" aria-pressed={asText} onClick={() => setText(true)}>{t('mail.plain')}</button>
        </div>
      )}
      {asText || !mail.html ? <pre>{mail.text || t('mail.empty')}</pre> : <Frame html={mail.html} />}
    </section>
  )
}

/** A mail's HTML in a frame of its own: no scripts, no forms, no origin, nothing loaded from anywhere. */
function Frame({ html }: { html: string }) {
  const source = useMemo(() => document(html), [html])
  return <iframe title={t('mail.html')} sandbox="allow-popups allow-popups-to-escape-sandbox" referrerpolicy="no-referrer" srcdoc={source} />
}
