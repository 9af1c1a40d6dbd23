import type { Run } from '../api/types.ts'
import { now } from '../attention.ts'
import { name, t } from '../i18n.ts'
import { Icon } from '../ui/icon.tsx'
import { full, span } from '../ui/clock.ts'
import { steps, time } from './fold.ts'

/** What a plan is going to touch: what it reads, writes and sends to whom, and what could be undone. */
export function Radius({ run }: { run: Run }) {
  const card = run.card
  if (!card) return null
  const recipients = card.recipients ?? []
  return (
    <dl class="radius">
      <Names label={t('card.reads')} names={dated(run, card.reads)} />
      <Names label={t('card.writes')} names={dated(run, card.writes)} />
      {recipients.length > 0 && (
        <>
          <dt>{t('card.sends')}</dt>
          <dd class="chips">
            {recipients.map(({ to, external }) => (
              <span key={to} class={external ? 'chip outside' : 'chip'}>
                {external && <Icon of="alert" />}{to}{external && <b>{t('card.outside')}</b>}
              </span>
            ))}
          </dd>
        </>
      )}
      {card.total ? (
        <>
          <dt>{t('card.undoable')}</dt>
          <dd>{t('card.undoable.of', { n: card.undoable ?? 0, total: card.total })}</dd>
        </>
      ) : null}
      {run.state === 'waiting_approval' && <Waits run={run} />}
      {run.state === 'waiting_approval' && run.digest && (
        <>
          <dt>{t('card.digest')}</dt>
          <dd><code title={run.digest}>{run.digest.slice(0, 12)}</code></dd>
        </>
      )}
    </dl>
  )
}

/** Who may decide about a plan that waits, who changed it, and how long it is open. */
function Waits({ run }: { run: Run }) {
  const approval = run.approval ?? undefined
  const expires = time(approval?.expires)
  const who = [approval?.role && t('approval.role', { role: name('role', approval.role) }), approval?.four_eyes && t('approval.foureyes')].filter(Boolean)
  return (
    <>
      {run.author && <><dt>{t('card.author')}</dt><dd>{name('author', run.author)}</dd></>}
      {who.length > 0 && <><dt>{t('approval')}</dt><dd>{who.join(' · ')}</dd></>}
      {approval?.revision ? <><dt>{t('card.edited')}</dt><dd>{t('card.edited.by', { n: approval.revision, by: approval.editor ?? '' })}</dd></> : null}
      {expires !== undefined && (
        <>
          <dt>{t('card.expires')}</dt>
          <dd><span role="timer" title={full(expires)}>{expires > now.value ? t('card.expires.in', { left: left(expires - now.value) }) : t('run.expired')}</span></dd>
        </>
      )}
    </>
  )
}

/** Says how much time is left, in whole seconds. */
function left(ms: number): string {
  return span(Math.max(1, Math.floor(ms / 1000)) * 1000)
}

/** Puts in the day of the run, which was fixed when the plan was made. */
export function dated(run: Run, texts: readonly string[] | null | undefined): string[] {
  return (texts ?? []).map((text) => text.replaceAll('{{date}}', run.date ?? '{{date}}'))
}

/** What will happen, step by step, in words. */
export function Lines({ run }: { run: Run }) {
  const lines = run.card?.lines?.length ? dated(run, run.card.lines) : steps(run).map((step) => step.title || step.plugin)
  return <ol class="lines">{lines.map((line, i) => <li key={i}>{line}</li>)}</ol>
}

function Names({ label, names }: { label: string; names: string[] }) {
  if (names.length === 0) return null
  return (
    <>
      <dt>{label}</dt>
      <dd class="chips">{names.map((name) => <span key={name} class="chip">{name}</span>)}</dd>
    </>
  )
}
