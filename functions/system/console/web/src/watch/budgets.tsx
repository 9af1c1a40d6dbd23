import { call } from '../api/call.ts'
import type { BudgetLine } from '../api/types.ts'
import { t } from '../i18n.ts'
import { time } from '../runs/fold.ts'
import { amount, full } from '../ui/clock.ts'
import { explain } from '../ui/explain.ts'
import { useRead } from '../ui/use.ts'

/** The budgets that one counts against, as bars. */
export function Budgets() {
  const read = useRead((signal) => call<{ budgets: BudgetLine[] | null }>('system-tasks/budget', { signal }), [])
  const lines = read.value?.budgets ?? []
  return (
    <section class="panel" aria-label={t('budgets')}>
      <h2>{t('budgets')}</h2>
      {read.fault && <p class="error" role="alert">{explain(read.fault)}</p>}
      {read.value && lines.length === 0 && <p class="none">{t('budgets.none')}</p>}
      <ul class="budgets">{lines.map((line) => <Bar key={line.budget} line={line} />)}</ul>
    </section>
  )
}

function Bar({ line }: { line: BudgetLine }) {
  const share = line.limit > 0 ? Math.min(1, line.used / line.limit) : 1
  const tone = share >= 1 ? 'bad' : share >= 0.8 ? 'wait' : 'ok'
  const until = time(line.until)
  const words = t('budget.used', { used: amount(line.used), limit: amount(line.limit) })
  return (
    <li class={tone}>
      <div class="row"><code>{line.budget}</code><span>{line.for}</span><b>{words}</b></div>
      <div class="meter" role="meter" aria-label={line.budget} aria-valuemin={0} aria-valuemax={line.limit} aria-valuenow={Math.min(line.used, line.limit)} aria-valuetext={words}>
        <i style={{ width: `${share * 100}%` }} />
      </div>
      {until !== undefined && <small>{t('budget.until', { at: full(until) })}</small>}
    </li>
  )
}
