import { signal } from '@preact/signals'
import type { TargetedKeyboardEvent } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { call } from '../api/call.ts'
import { t } from '../i18n.ts'
import { isActive } from '../runs/fold.ts'
import { runs, take } from '../runs/store.ts'
import { Icon } from '../ui/icon.tsx'
import { toast } from '../ui/toast.tsx'
import { conversation, say, session } from './store.ts'

// What is being written, by session: switching between conversations must not lose it.
const texts = signal<Record<string, string>>({})
const field = signal<HTMLTextAreaElement | null>(null)

/** Puts text into the composer, for the person to look at and send. */
export function compose(text: string): void {
  texts.value = { ...texts.value, [session.value]: text }
  field.value?.focus()
}

/** Where people write. Enter sends, Shift+Enter breaks the line, and an input method keeps its Enter. */
export function Composer() {
  const area = useRef<HTMLTextAreaElement>(null)
  const text = texts.value[session.value] ?? ''
  useEffect(() => {
    field.value = area.current
    area.current?.focus({ preventScroll: true })
  }, [session.value])
  useEffect(() => grow(area.current), [text])
  const send = () => {
    if (text.trim() === '') return
    say(text.trim())
    texts.value = { ...texts.value, [session.value]: '' }
  }
  const key = (e: TargetedKeyboardEvent<HTMLTextAreaElement>) => {
    // Safari ends a composition before its Enter and marks that key with 229 only.
    if (e.key !== 'Enter' || e.shiftKey || e.isComposing || e.keyCode === 229) return
    e.preventDefault()
    send()
  }
  return (
    <form class="composer" onSubmit={(e) => (e.preventDefault(), send())}>
      <div class="field">
        <textarea ref={area} rows={1} value={text} placeholder={t('chat.placeholder')} aria-label={t('chat.placeholder')} enterkeyhint="send"
          onInput={(e) => (texts.value = { ...texts.value, [session.value]: e.currentTarget.value })} onKeyDown={key} />
        <Stop />
        <button type="submit" class="primary round" disabled={text.trim() === ''} aria-label={t('chat.send')} title={t('chat.send')}><Icon of="send" /></button>
      </div>
      <p class="hint">{t('chat.hint')}</p>
    </form>
  )
}

/** Grows the field with its text; the style sheet sets the limit. */
function grow(area: HTMLTextAreaElement | null): void {
  if (!area) return
  area.style.height = 'auto'
  area.style.height = `${area.scrollHeight}px`
}

/** Stops the runs of this conversation that are at work. */
function Stop() {
  const { runs: mentioned } = conversation.value
  const ids = (runs.value ?? []).filter((run) => mentioned[run.id] && isActive(run)).map((run) => run.id)
  if (ids.length === 0) return null
  return (
    <button type="button" class="round" aria-label={t('chat.stop')} title={t('chat.stop')} onClick={() => void stopRuns(ids)}>
      <Icon of="stop" />
    </button>
  )
}

async function stopRuns(ids: string[]): Promise<void> {
  try {
    for (const run of ids) await call('system-tasks/stop', { method: 'POST', body: { user: '', run } })
    for (const id of ids) take(await call(`system-tasks/runs/${id}`))
  } catch (err) {
    toast(err)
  }
}
