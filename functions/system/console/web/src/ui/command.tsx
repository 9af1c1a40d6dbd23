import { t } from '../i18n.ts'
import { Icon } from './icon.tsx'
import { tell, toast } from './toast.tsx'

/** Copies the command that does on a terminal what the button beside it does here. */
export function Command({ line }: { line: string }) {
  const label = t('command.copy', { line })
  return (
    <button type="button" class="command" title={label} aria-label={label} onClick={() => void copy(line)}>
      <Icon of="terminal" />
    </button>
  )
}

/** Puts text on the clipboard and says so. */
export async function copy(text: string): Promise<void> {
  try {
    if (navigator.clipboard) await navigator.clipboard.writeText(text)
    else copyBySelection(text)
    tell(t('command.copied', { line: text.length > 60 ? `${text.slice(0, 60)}…` : text }))
  } catch (err) {
    toast(err)
  }
}

/** For pages over plain HTTP, where browsers have no clipboard object. */
function copyBySelection(text: string): void {
  const area = document.createElement('textarea')
  area.value = text
  document.body.append(area)
  area.select()
  const done = document.execCommand('copy')
  area.remove()
  if (!done) throw new Error(t('command.failed'))
}
