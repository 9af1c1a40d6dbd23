import { useState } from 'preact/hooks'
import type { Run, Verb } from '../api/types.ts'
import { t } from '../i18n.ts'
import { Command } from '../ui/command.tsx'
import { Icon, type IconName } from '../ui/icon.tsx'
import { base } from './fold.ts'
import { act } from './store.ts'

interface Look {
  icon: IconName
  style: string
  command: (id: string) => string
}

const looks: Record<Verb, Look> = {
  approve: { icon: 'check', style: 'primary', command: (id) => `hearth approve ${id}` },
  deny: { icon: 'close', style: '', command: (id) => `hearth deny ${id}` },
  cancel: { icon: 'stop', style: '', command: (id) => `hearth runs cancel ${id}` },
  retry: { icon: 'retry', style: '', command: (id) => `hearth runs retry ${id}` },
  undo: { icon: 'undo', style: '', command: (id) => `hearth runs undo ${id}` },
}

const order: Verb[] = ['approve', 'deny', 'cancel', 'retry', 'undo']

/** The buttons for what may be done to a run now, each with its command. */
export function Actions({ run }: { run: Run }) {
  const [busy, setBusy] = useState<Verb | ''>('')
  const possible = order.filter((verb) => run.can?.[verb])
  if (possible.length === 0) return null
  const press = async (verb: Verb) => {
    setBusy(verb)
    if (verb !== 'undo' || (await sure(run))) await act(run, verb, bodyOf(run, verb))
    setBusy('')
  }
  return (
    <div class="actions" role="group" aria-label={t('actions')}>
      {possible.map((verb) => (
        <span class="action" key={verb}>
          <button type="button" class={looks[verb].style} disabled={busy !== ''} onClick={() => void press(verb)}>
            <Icon of={looks[verb].icon} />{t(`verb.${verb}`)}
          </button>
          <Command line={looks[verb].command(run.id)} />
        </span>
      ))}
    </div>
  )
}

/** Asks before an undo, with what it would do. Most visits take nothing back, so the code comes when it is needed. */
export async function sure(run: Run): Promise<boolean> {
  const { askUndo } = await import('./undo.tsx')
  return askUndo(run)
}

/** An approval carries the digest of the plan on the screen: had it changed meanwhile, the server refuses. */
export function bodyOf(run: Run, verb: Verb): Record<string, string> {
  return verb === 'approve' && run.digest ? { digest: run.digest } : {}
}

/** A button that runs the plan again from one step on. */
export function RetryFrom({ run, step }: { run: Run; step: string }) {
  const [busy, setBusy] = useState(false)
  const press = async () => {
    setBusy(true)
    await act(run, 'retry', { from: base(step) })
    setBusy(false)
  }
  return (
    <span class="action">
      <button type="button" disabled={busy} onClick={() => void press()}><Icon of="retry" />{t('retry.from')}</button>
      <Command line={`hearth runs retry ${run.id} --from ${base(step)}`} />
    </span>
  )
}
