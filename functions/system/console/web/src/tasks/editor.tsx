import type { TargetedKeyboardEvent } from 'preact'
import { useRef, useState } from 'preact/hooks'
import { call } from '../api/call.ts'
import { Fault } from '../api/fault.ts'
import { t } from '../i18n.ts'
import { Command } from '../ui/command.tsx'
import { explain } from '../ui/explain.ts'
import { Icon } from '../ui/icon.tsx'
import { type Place, check, locate, offsetOf } from './place.ts'

interface Props {
  text: string
  /** The task that is edited; a new one takes the id in its JSON. */
  id?: string
  saved: (id: string) => void
}

interface Complaint {
  text: string
  place: Place | undefined
}

/** An editor for a task's JSON that shows errors where they are. */
export function Editor({ text: original, id, saved }: Props) {
  const [text, setText] = useState(original)
  const [complaint, setComplaint] = useState<Complaint | null>(null)
  const [busy, setBusy] = useState(false)
  const area = useRef<HTMLTextAreaElement>(null)
  const save = async () => {
    setBusy(true)
    const problem = await put(text, id, saved)
    setBusy(false)
    setComplaint(problem)
    if (problem?.place) show(area.current, problem.place)
  }
  const edit = (value: string) => {
    setText(value)
    setComplaint(null)
  }
  return (
    <div class="editor">
      <div class="code">
        <Gutter text={text} bad={complaint?.place?.line} />
        <textarea ref={area} value={text} spellcheck={false} wrap="off" aria-label="JSON" aria-invalid={complaint !== null}
          onInput={(e) => edit(e.currentTarget.value)} onKeyDown={indent} rows={text.split('\n').length} />
      </div>
      {complaint && (
        <p class="error" role="alert">
          {complaint.place && <b>{t('editor.place', { line: complaint.place.line, column: complaint.place.column })}</b>} {complaint.text}
        </p>
      )}
      <div class="actions">
        <span class="action">
          <button type="button" class="primary" disabled={busy || (text === original && id !== undefined)} onClick={() => void save()}>
            <Icon of="check" />{t('save')}
          </button>
          <Command line="hearth task apply -f task.json" />
        </span>
        {text !== original && <button type="button" onClick={() => edit(original)}><Icon of="undo" />{t('editor.revert')}</button>}
      </div>
    </div>
  )
}

function Gutter({ text, bad }: { text: string; bad: number | undefined }) {
  const lines = text.split('\n').length
  return (
    <div class="gutter" aria-hidden="true">
      {Array.from({ length: lines }, (_, i) => <span key={i} class={bad === i + 1 ? 'bad' : ''}>{i + 1}</span>)}
    </div>
  )
}

/** Saves the text. Returns what is wrong with it, or null. */
async function put(text: string, id: string | undefined, saved: (id: string) => void): Promise<Complaint | null> {
  const slip = check(text)
  if (slip) return { text: slip.message, place: slip.place }
  const own = idOf(text)
  if (own === '') return { text: t('editor.noid'), place: { line: 1, column: 1 } }
  try {
    await call(`system-tasks/${encodeURIComponent(id ?? own)}`, { method: 'PUT', body: text })
    saved(id ?? own)
    return null
  } catch (err) {
    const field = err instanceof Fault ? err.field : ''
    return { text: explain(err), place: locate(text, field) }
  }
}

function idOf(text: string): string {
  const value: unknown = JSON.parse(text)
  const id = typeof value === 'object' && value !== null && 'task_id' in value ? value.task_id : ''
  return typeof id === 'string' ? id : ''
}

/** Puts the cursor at a place and scrolls to it. */
function show(area: HTMLTextAreaElement | null, place: Place): void {
  if (!area) return
  const offset = offsetOf(area.value, place)
  area.focus()
  area.setSelectionRange(offset, offset)
  area.closest('.code')?.querySelector('.gutter .bad')?.scrollIntoView({ block: 'nearest' })
}

/** Tab indents; Escape first lets it leave the field, as it must for people who have only keys. */
function indent(e: TargetedKeyboardEvent<HTMLTextAreaElement>): void {
  const area = e.currentTarget
  if (e.key === 'Escape') area.dataset['leave'] = 'yes'
  if (e.key !== 'Tab' || e.shiftKey || area.dataset['leave']) return
  e.preventDefault()
  area.setRangeText('  ', area.selectionStart, area.selectionEnd, 'end')
  area.dispatchEvent(new Event('input', { bubbles: true }))
}
