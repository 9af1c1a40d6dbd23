import { CreateTask } from './create.tsx'
import { TaskList } from './list.tsx'
import { TaskPage } from './page.tsx'

/** The automations: all, one, or a new one. */
export function Tasks({ task, create }: { task?: string | undefined; create?: boolean | undefined }) {
  if (create) return <CreateTask />
  return task ? <TaskPage key={task} id={task} /> : <TaskList />
}
