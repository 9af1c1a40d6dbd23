import { useEffect, useState } from 'preact/hooks'
import type { Fault } from '../api/fault.ts'
import type { Run } from '../api/types.ts'
import { now } from '../attention.ts'
import { name, t } from '../i18n.ts'
import { Link } from '../navigation.tsx'
import { span } from '../ui/clock.ts'
import { Failure, Loading, Notice } from '../ui/notice.tsx'
import { RunPill } from '../ui/state.tsx'
import { Ago } from '../ui/when.tsx'
import { title } from './card.tsx'
import { type Filter, matches, time } from './fold.ts'
import { loadRuns, runs } from './store.ts'

const filters: Filter[] = ['all', 'approval', 'active', 'failed', 'done']

/** The latest runs. */
export function RunList() {
  const [filter, setFilter] = useState<Filter>('all')
  const [fault, setFault] = useState<Fault | undefined>()
  const load = () => void loadRuns().then(setFault)
  useEffect(load, [])
  const list = runs.value
  if (!list) return fault ? <Failure fault={fault} retry={load} /> : <Loading />
  if (list.length === 0) return <Notice icon="runs" title={t('runs.none')}><p>{t('runs.none.text')}</p></Notice>
  const shown = list.filter((run) => matches(run, filter))
  return (
    <div class="page">
      <header class="pagehead"><h1>{t('runs')}</h1></header>
      <div class="filters" role="group" aria-label={t('runs.filter')}>
        {filters.map((one) => (
          <button key={one} type="button" aria-pressed={filter === one} onClick={() => setFilter(one)}>
            {t(`filter.${one}`)}<small>{list.filter((run) => matches(run, one)).length}</small>
          </button>
        ))}
      </div>
      {shown.length === 0 && <p class="none">{t('runs.nomatch')}</p>}
      <ul class="list">{shown.map((run) => <RunRow key={run.id} run={run} />)}</ul>
    </div>
  )
}

function RunRow({ run }: { run: Run }) {
  return (
    <li>
      <Link to={{ at: 'runs', run: run.id }} class="item">
        <RunPill state={run.state} />
        <span class="main">
          <strong>{title(run)}</strong>
          <small>{[name('origin', run.origin ?? ''), run.user, run.error?.message].filter(Boolean).join(' · ')}</small>
        </span>
        <span class="side">
          <Ago at={run.created} />
          <small>{duration(run)}</small>
        </span>
      </Link>
    </li>
  )
}

function duration(run: Run): string {
  const from = time(run.created)
  if (from === undefined || run.state === 'waiting_approval') return ''
  return span((time(run.ended) ?? now.value) - from)
}
