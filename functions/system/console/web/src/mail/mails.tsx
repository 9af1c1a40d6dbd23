import { MailList } from './list.tsx'
import { MailPage } from './page.tsx'

/** The mailbox: all mails, or one. */
export function Mails({ mail }: { mail?: string | undefined }) {
  return mail ? <MailPage key={mail} id={mail} /> : <MailList />
}
