import { useState } from 'preact/hooks'
import { t } from '../i18n.ts'
import { Link, go } from '../navigation.tsx'
import { Icon } from '../ui/icon.tsx'
import { tell } from '../ui/toast.tsx'
import { Editor } from './editor.tsx'
import { takeProposal } from './proposal.ts'

const example = {
  task_id: 'daily_report',
  trigger: { type: 'cron', schedule: '0 9 * * *' },
  steps: [
    { id: 'query', plugin: 'database_query', params: { sql: 'SELECT * FROM sales WHERE date=CURRENT_DATE' } },
    { id: 'sheet', plugin: 'excel_generator', params: { template: '/templates/report.xlsx', output: '/output/{{date}}.xlsx' } },
    { id: 'mail', plugin: 'email_sender', params: { to: 'team@example.com', subject: 'Daily Sales Report', attachments: ['/output/{{date}}.xlsx'] } },
  ],
}

/** A new automation: the assistant's proposal, or an example that works. */
export function CreateTask() {
  const [text] = useState(() => takeProposal() || JSON.stringify(example, null, 2))
  const saved = (id: string) => {
    tell(t('task.saved'))
    go({ at: 'tasks', task: id })
  }
  return (
    <div class="page">
      <header class="runhead">
        <Link to={{ at: 'tasks' }} class="back"><Icon of="back" />{t('tasks')}</Link>
        <h1>{t('tasks.new')}</h1>
        <p class="facts">{t('tasks.new.text')}</p>
      </header>
      <section class="panel"><Editor text={text} saved={saved} /></section>
    </div>
  )
}
