import { useState } from 'preact/hooks'
import { call } from '../api/call.ts'
import type { Fire, Task } from '../api/types.ts'
import { t } from '../i18n.ts'
import { Link, go } from '../navigation.tsx'
import { time } from '../runs/fold.ts'
import { ask } from '../ui/ask.tsx'
import { full } from '../ui/clock.ts'
import { Command } from '../ui/command.tsx'
import { Icon, type IconName } from '../ui/icon.tsx'
import { Failure, Loading } from '../ui/notice.tsx'
import { RunPill } from '../ui/state.tsx'
import { tell, toast } from '../ui/toast.tsx'
import { useRead } from '../ui/use.ts'
import { Ago } from '../ui/when.tsx'
import { describe } from './describe.ts'
import { Editor } from './editor.tsx'
import { Params, runTask } from './run.tsx'

/** One automation: when it runs, what it did, and its JSON. */
export function TaskPage({ id }: { id: string }) {
  const path = `system-tasks/${encodeURIComponent(id)}`
  const read = useRead((signal) => call<Task>(path, { signal }), [id])
  const history = useRead((signal) => call<{ fires: Fire[] | null }>(`${path}/history`, { signal }), [id])
  if (read.fault) return <Failure fault={read.fault} retry={read.again} />
  const task = read.value
  if (!task) return <Loading />
  return (
    <div class="page">
      <header class="runhead">
        <Link to={{ at: 'tasks' }} class="back"><Icon of="back" />{t('tasks')}</Link>
        <div class="row"><h1>{task.title || task.task_id}</h1><span class={`pill ${task.enabled ? 'ok' : 'dim'}`}><Icon of={task.enabled ? 'check' : 'stop'} />{t(task.enabled ? 'task.on' : 'task.off')}</span></div>
        <Facts task={task} />
        <TaskActions task={task} changed={read.again} />
      </header>
      <Params task={task} />
      <section class="panel">
        <h2>{t('task.history')}</h2>
        <History fires={history.value?.fires ?? []} />
      </section>
      <section class="panel">
        <h2>{t('task.json')}</h2>
        <Editor key={id} id={id} text={JSON.stringify(task.plan, null, 2)} saved={() => (read.again(), tell(t('task.saved')))} />
      </section>
    </div>
  )
}

function Facts({ task }: { task: Task }) {
  const trigger = task.plan.trigger
  return (
    <p class="facts">
      {task.title && <code>{task.task_id}</code>}
      <span>{describe(task.plan.trigger)}</span>
      {task.enabled && task.next && <span>{t('task.next')} <Ago at={task.next} /></span>}
      {task.enabled && task.fires && <span>{t('task.fires', { at: full(time(task.fires) ?? 0) })}</span>}
      {trigger?.calendar && <span>{t('task.calendar', { name: trigger.calendar })}</span>}
      {trigger?.jitter && <span>{t('task.jitter', { time: trigger.jitter })}</span>}
      {trigger?.expect && <span>{t('task.expect', { time: trigger.expect })}</span>}
      {task.owner && <span>{task.owner}</span>}
      {task.last_run && <Link to={{ at: 'runs', run: task.last_run }}>{t('task.last')}</Link>}
    </p>
  )
}

function TaskActions({ task, changed }: { task: Task; changed: () => void }) {
  const path = `system-tasks/${encodeURIComponent(task.task_id)}`
  const turn = async () => {
    await call(`${path}/${task.enabled ? 'disable' : 'enable'}`, { method: 'POST', body: {} })
    changed()
  }
  const remove = async () => {
    if (!(await ask({ title: t('ask.delete'), text: t('ask.delete.text', { id: task.task_id }), yes: t('task.delete'), danger: true }))) return
    await call(path, { method: 'DELETE' })
    go({ at: 'tasks' })
  }
  const id = task.task_id
  return (
    <div class="actions" role="group" aria-label={t('actions')}>
      <Action icon="play" label={t('task.run')} style="primary" command={`hearth task run ${id}`} act={() => runTask(task, false)} />
      <Action icon="eye" label={t('task.dry')} command={`hearth task run ${id} --dry-run`} act={() => runTask(task, true)} />
      <Action icon={task.enabled ? 'stop' : 'check'} label={t(task.enabled ? 'task.disable' : 'task.enable')} act={turn} />
      <Action icon="trash" label={t('task.delete')} command={`hearth task delete ${id}`} act={remove} />
    </div>
  )
}

interface ActionProps {
  icon: IconName
  label: string
  style?: string
  command?: string
  act: () => Promise<void>
}

function Action({ icon, label, style = '', command, act }: ActionProps) {
  const [busy, setBusy] = useState(false)
  const press = () => {
    setBusy(true)
    act().catch(toast).finally(() => setBusy(false))
  }
  return (
    <span class={command ? 'action' : ''}>
      <button type="button" class={style} disabled={busy} onClick={press}><Icon of={icon} />{label}</button>
      {command && <Command line={command} />}
    </span>
  )
}

/** When the task was due, and what came of it: also the times it should have run and did not. */
function History({ fires }: { fires: Fire[] }) {
  if (fires.length === 0) return <p class="none">{t('task.history.none')}</p>
  return (
    <ul class="history">
      {fires.map((fire) => (
        <li key={fire.at}>
          {fire.outcome ? <RunPill state={fire.outcome} />
            : <span class={`pill ${fire.fired ? 'dim' : 'bad'}`}>{t(fire.fired ? 'fire.fired' : 'fire.missed')}</span>}
          <time dateTime={fire.at}>{full(time(fire.at) ?? 0)}</time>
          <span class="why">{remarks(fire)}</span>
          {fire.run && <Link to={{ at: 'runs', run: fire.run }}>{fire.run}<Icon of="next" /></Link>}
        </li>
      ))}
    </ul>
  )
}

/** What there is to say about a slot: why it was skipped, how many before it were, and when it fired if that was later. */
function remarks(fire: Fire): string {
  const [due, fired] = [time(fire.at), time(fire.fired_at)]
  const late = due !== undefined && fired !== undefined && fired - due >= 1000 ? t('fire.at', { at: full(fired) }) : ''
  return [late, fire.why, fire.more ? t('fire.more', { n: fire.more }) : ''].filter(Boolean).join(' · ')
}
