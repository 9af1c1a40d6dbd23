import { useState } from 'preact/hooks'
import { call } from '../api/call.ts'
import { once } from '../api/once.ts'
import type { Plan, Run } from '../api/types.ts'
import { t } from '../i18n.ts'
import { go } from '../navigation.tsx'
import { propose } from '../tasks/proposal.ts'
import { Command } from '../ui/command.tsx'
import { Icon, type IconName } from '../ui/icon.tsx'
import { toast } from '../ui/toast.tsx'
import { base, isActive } from './fold.ts'
import { take } from './store.ts'

/** Makes something new of a run that is over: another run, or a task. */
export function Again({ run }: { run: Run }) {
  if (isActive(run) || run.state === 'waiting_approval' || run.install) return null
  return (
    <div class="actions" role="group" aria-label={t('again')}>
      <Do icon="play" label={t('fork')} line={`hearth runs fork ${run.id}`} act={() => fork(run, {})} />
      <Do icon="eye" label={t('fork.dry')} line={`hearth runs fork ${run.id} --dry-run`} act={() => fork(run, { dry_run: true })} />
      {run.state === 'done' && !run.dry_run && <Do icon="tasks" label={t('freeze')} line={`hearth runs freeze ${run.id} > task.json`} act={() => freeze(run)} />}
    </div>
  )
}

/** A button for a new run that takes over what was done before a step. */
export function ForkFrom({ run, step }: { run: Run; step: string }) {
  if (isActive(run) || run.state === 'waiting_approval' || run.install) return null
  return <Do icon="play" label={t('fork.from')} line={`hearth runs fork ${run.id} --from ${base(step)}`} act={() => fork(run, { from: base(step) })} />
}

async function fork(run: Run, body: { from?: string; dry_run?: boolean }): Promise<void> {
  const made = await once<Run>(`system-tasks/runs/${run.id}/fork`, body)
  take(made)
  go({ at: 'runs', run: made.id })
}

/** Opens the task that a run becomes in the editor, where it is looked at and installed. */
async function freeze(run: Run): Promise<void> {
  const plan = await call<Plan>(`system-tasks/runs/${run.id}/freeze`, { method: 'POST', body: {} })
  propose(JSON.stringify(plan, null, 2))
}

function Do({ icon, label, line, act }: { icon: IconName; label: string; line: string; act: () => Promise<void> }) {
  const [busy, setBusy] = useState(false)
  const press = () => {
    setBusy(true)
    act().catch(toast).finally(() => setBusy(false))
  }
  return (
    <span class="action">
      <button type="button" disabled={busy} onClick={press}><Icon of={icon} />{label}</button>
      <Command line={line} />
    </span>
  )
}
