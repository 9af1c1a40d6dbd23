import { useEffect, useRef, useState } from 'preact/hooks'
import { account } from '../api/account.ts'
import { now } from '../attention.ts'
import { t } from '../i18n.ts'
import { RunCard, RunLink } from '../runs/card.tsx'
import { Files } from '../runs/files.tsx'
import { time } from '../runs/fold.ts'
import { useRun } from '../runs/store.ts'
import { clock, full } from '../ui/clock.ts'
import { copy } from '../ui/command.tsx'
import { Icon } from '../ui/icon.tsx'
import { Buttons } from './buttons.tsx'
import { type Answer, type Said, awaited, cards } from './conversation.ts'
import { headline, isDrawn } from './drawn.ts'
import { Markdown } from './markdown.tsx'
import type { Letter } from './outbox.ts'
import { conversation, forget, letters, sayAgain, session } from './store.ts'
import { Welcome } from './welcome.tsx'

/** How long we show that an answer is being made, when nothing comes. */
const patience = 180_000

/** The conversation: what the event log says, and below it what is still on its way there. */
export function Log() {
  const mine = letters.value.filter((letter) => letter.session === session.value)
  if (conversation.value.items.length === 0 && mine.length === 0) return <Welcome />
  return <Thread mine={mine} />
}

function Thread({ mine }: { mine: Letter[] }) {
  const c = conversation.value
  const last = cards(c)
  const end = useEnd(mine.length)
  return (
    <div class="log" ref={end.ref} onScroll={end.onScroll} role="log" aria-live="polite" aria-label={t('chat')} tabindex={0}>
      <div class="thread">
        {c.items.map((item, i) => item.kind === 'user'
          ? <Bubble key={i} said={item} />
          : <Reply key={i} answer={item} card={last.get(item.run) === i} />)}
        {mine.map((letter) => <Pending key={`u${letter.key}`} letter={letter} />)}
        {thinking(mine) && <Thinking />}
      </div>
      {end.away && (
        <button type="button" class="tolast" onClick={end.follow} aria-label={t('chat.latest')}><Icon of="down" /></button>
      )}
    </div>
  )
}

function thinking(mine: readonly Letter[]): boolean {
  if (mine.some((letter) => letter.state === 'sent')) return true
  const c = conversation.value
  const said = time(c.items.findLast((item) => item.kind === 'user')?.at)
  return c.items.at(-1)?.kind === 'user' && awaited(c) && said !== undefined && now.value - said < patience
}

/** Keeps the end in sight while it grows, unless the reader went up. Saying something leads back to it. */
function useEnd(mine: number) {
  const ref = useRef<HTMLDivElement>(null)
  const place = useRef({ stuck: true, top: 0 })
  const [isAway, setAway] = useState(false)
  const follow = () => {
    place.current.stuck = true
    ref.current?.scrollTo({ top: ref.current.scrollHeight })
  }
  useEffect(() => {
    // Answers grow while they come, and cards after they came.
    const grown = new ResizeObserver(() => {
      if (place.current.stuck) follow()
    })
    if (ref.current?.firstElementChild) grown.observe(ref.current.firstElementChild)
    return () => grown.disconnect()
  }, [])
  useEffect(follow, [mine])
  const onScroll = () => {
    const log = ref.current
    if (!log) return
    // Only a way up is the reader's: the end also moves away by itself, when something is added.
    const up = log.scrollTop < place.current.top
    const near = log.scrollHeight - log.scrollTop - log.clientHeight < 80
    place.current = { stuck: near || (place.current.stuck && !up), top: log.scrollTop }
    setAway(!place.current.stuck)
  }
  return { ref, onScroll, follow, away: isAway }
}

function Bubble({ said }: { said: Said }) {
  const other = said.from !== '' && said.from !== account.value?.user
  const at = time(said.at)
  return (
    <article class="said" aria-label={t('chat.you')}>
      {other && <small class="from">{said.from}</small>}
      <p>{said.text}</p>
      {at !== undefined && <time title={full(at)}>{clock(at)}</time>}
    </article>
  )
}

/** What somebody said and the log does not have yet. */
function Pending({ letter }: { letter: Letter }) {
  return (
    <article class={`said ${letter.state}`} aria-label={t('chat.you')}>
      <p>{letter.text}</p>
      {letter.state === 'failed' ? (
        <span class="why" role="alert">
          <Icon of="alert" />{letter.why || t('chat.refused')}
          <button type="button" class="plain" onClick={() => sayAgain(letter.key)}>{t('retry')}</button>
          <button type="button" class="plain" onClick={() => forget(letter.key)}>{t('discard')}</button>
        </span>
      ) : <time>{t(letter.state === 'waiting' && letter.tries > 0 ? 'chat.waiting' : 'chat.sending')}</time>}
    </article>
  )
}

function Reply({ answer, card }: { answer: Answer; card: boolean }) {
  const at = time(answer.at)
  return (
    <article class="reply" aria-busy={answer.draft} aria-label="Hearth">
      {answer.run ? <AboutRun answer={answer} card={card} /> : <Markdown text={answer.markdown} />}
      {answer.draft && <span class="caret" aria-hidden="true" />}
      <Files files={answer.files.map((file) => ({ ...file, path: file.ref }))} owner={undefined} />
      <Buttons answer={answer} />
      {!answer.draft && (
        <footer>
          {at !== undefined && <time title={full(at)}>{clock(at)}</time>}
          {answer.repeated && <span>{t('chat.repeated')}</span>}
          {answer.markdown && (
            <button type="button" class="plain" aria-label={t('copy')} title={t('copy')} onClick={() => void copy(answer.markdown)}>
              <Icon of="copy" />
            </button>
          )}
        </footer>
      )}
    </article>
  )
}

/** An answer about a run: the run's card where it is the last word on it, and its text where that says more. */
function AboutRun({ answer, card }: { answer: Answer; card: boolean }) {
  const { run, fault } = useRun(answer.run)
  if (!run && !fault) return <div class="card ghost" aria-hidden="true" />
  const inWords = !run || !isDrawn(answer)
  return (
    <>
      {inWords && <Markdown text={answer.markdown} />}
      {run && card ? <RunCard run={run} /> : <RunLink id={answer.run} text={headline(answer)} />}
    </>
  )
}

function Thinking() {
  return <p class="thinking" role="status"><span class="dots" aria-hidden="true"><i /><i /><i /></span><span class="unseen">{t('chat.thinking')}</span></p>
}
