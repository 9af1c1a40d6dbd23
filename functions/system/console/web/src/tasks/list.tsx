import { call } from '../api/call.ts'
import type { Task } from '../api/types.ts'
import { t } from '../i18n.ts'
import { Link } from '../navigation.tsx'
import { Icon } from '../ui/icon.tsx'
import { Failure, Loading, Notice } from '../ui/notice.tsx'
import { useRead } from '../ui/use.ts'
import { Ago } from '../ui/when.tsx'
import { describe } from './describe.ts'

/** The automations of the person. */
export function TaskList() {
  const read = useRead((signal) => call<{ tasks: Task[] | null }>('system-tasks/', { signal }), [])
  if (read.fault) return <Failure fault={read.fault} retry={read.again} />
  if (!read.value) return <Loading />
  const tasks = read.value.tasks ?? []
  const create = <Link to={{ at: 'tasks', create: true }} class="button primary"><Icon of="plus" />{t('tasks.new')}</Link>
  if (tasks.length === 0) {
    return <Notice icon="tasks" title={t('tasks.none')}><p>{t('tasks.none.text')}</p>{create}</Notice>
  }
  return (
    <div class="page">
      <header class="pagehead"><h1>{t('tasks')}</h1>{create}</header>
      <ul class="list">{tasks.map((task) => <TaskRow key={task.task_id} task={task} />)}</ul>
    </div>
  )
}

function TaskRow({ task }: { task: Task }) {
  return (
    <li>
      <Link to={{ at: 'tasks', task: task.task_id }} class="item">
        <span class={`pill ${task.enabled ? 'ok' : 'dim'}`}><Icon of={task.enabled ? 'check' : 'stop'} />{t(task.enabled ? 'task.on' : 'task.off')}</span>
        <span class="main">
          <strong>{task.title || task.task_id}</strong>
          <small>{describe(task.plan.trigger)}</small>
        </span>
        <span class="side">
          {task.enabled && task.next && <><small>{t('task.next')}</small><Ago at={task.next} /></>}
        </span>
      </Link>
    </li>
  )
}
