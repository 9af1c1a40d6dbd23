import type { TargetedDragEvent } from 'preact'
import { useRef, useState } from 'preact/hooks'
import { call } from '../api/call.ts'
import { t } from '../i18n.ts'
import { bytes } from '../ui/clock.ts'
import { explain } from '../ui/explain.ts'
import { Icon } from '../ui/icon.tsx'
import { tell } from '../ui/toast.tsx'
import { largest, target } from './place.ts'

// A large file over a slow line takes a while: what system-files itself allows.
const patience = 300_000

/** Puts files into the workspace: chosen with a button, or dropped. */
export function Upload({ done }: { done: () => void }) {
  const [folder, setFolder] = useState('/')
  const [sending, setSending] = useState('')
  const [problems, setProblems] = useState<string[]>([])
  const [over, setOver] = useState(false)
  const chooser = useRef<HTMLInputElement>(null)
  const put = async (files: readonly File[]) => {
    const failed: string[] = []
    for (const file of files) {
      setSending(file.name)
      const problem = await send(file, target(folder, file.name))
      if (problem) failed.push(`${file.name}: ${problem}`)
    }
    setSending('')
    setProblems(failed)
    if (failed.length < files.length) tell(t('upload.done', { n: files.length - failed.length }))
    done()
  }
  const drop = (e: TargetedDragEvent<HTMLElement>) => {
    e.preventDefault()
    setOver(false)
    if (!sending) void put([...(e.dataTransfer?.files ?? [])])
  }
  return (
    <section class={`panel drop ${over ? 'over' : ''}`} aria-label={t('upload')} onDragOver={(e) => (e.preventDefault(), setOver(true))} onDragLeave={() => setOver(false)} onDrop={drop}>
      <div class="row">
        <label for="folder">{t('upload.folder')}</label>
        <input id="folder" value={folder} autocomplete="off" spellcheck={false} onInput={(e) => setFolder(e.currentTarget.value)} />
        <input ref={chooser} type="file" multiple hidden aria-label={t('upload')} onChange={(e) => void put([...(e.currentTarget.files ?? [])]).then(() => reset(chooser.current))} />
        <button type="button" class="primary" disabled={sending !== ''} onClick={() => chooser.current?.click()}><Icon of="plus" />{t('upload')}</button>
      </div>
      <p class="hint" role="status">{sending ? t('upload.sending', { name: sending }) : t('upload.text', { most: bytes(largest) })}</p>
      {problems.length > 0 && <div class="error" role="alert">{problems.map((problem) => <p key={problem}>{problem}</p>)}</div>}
    </section>
  )
}

/** Lets the same file be chosen again. */
function reset(chooser: HTMLInputElement | null): void {
  if (chooser) chooser.value = ''
}

/** Sends one file. Returns what went wrong, or nothing. */
async function send(file: File, path: string): Promise<string> {
  if (file.size > largest) return t('upload.large', { most: bytes(largest) })
  try {
    await call('system-files/upload', { method: 'PUT', query: { path }, body: file, timeout: patience })
    return ''
  } catch (err) {
    return explain(err)
  }
}
