import type { Run } from '../api/types.ts'
import { now } from '../attention.ts'
import { name, t } from '../i18n.ts'
import { clock, span } from '../ui/clock.ts'
import { narrow } from '../ui/narrow.ts'
import { stepTone } from '../ui/state.tsx'
import { steps } from './fold.ts'
import { type Bar, type Gap, type Row, timeline } from './timeline.ts'

interface Props {
  run: Run
  selected: string
  select: (id: string) => void
}

/** What happened when: a row for each step, a bar for each attempt, wait and undo. */
export function Gantt({ run, selected, select }: Props) {
  const line = timeline(run, now.value)
  const titles = new Map(steps(run).map((step) => [step.id, step.title || step.id]))
  return (
    <div class="gantt" role="group" aria-label={t('timeline')}>
      {line.rows.map((row) => (
        <button type="button" key={row.step} class="lane" aria-pressed={row.step !== '' && selected === row.step}
          disabled={row.step === ''} onClick={() => select(row.step)}>
          <span class="label">{row.step === '' ? t('approval') : titles.get(row.step)}</span>
          <span class="track">
            {line.gaps.map((gap) => <i key={gap.left} class="gap" style={place(gap)} />)}
            {row.bars.map((bar, i) => <i key={i} class={`bar ${bar.kind} ${tone(bar)}`} style={place(bar)} title={describe(bar)} />)}
          </span>
          <span class="took">{took(row)}</span>
        </button>
      ))}
      <div class="axis" aria-hidden="true">
        <span>{clock(line.start, true)}</span>
        {labelled(line.gaps).map((gap) => <small key={gap.left} style={{ left: percent(middle(gap)) }}>{span(gap.took)}</small>)}
        <span>{line.end - line.start < 1000 ? `+${span(line.end - line.start)}` : clock(line.end, true)}</span>
      </div>
    </div>
  )
}

/** Leaves out the labels that would run into the one before. */
function labelled(gaps: readonly Gap[]): Gap[] {
  const shown: Gap[] = []
  for (const gap of gaps) {
    const last = shown.at(-1)
    if (!last || middle(gap) - middle(last) > (narrow.value ? 0.5 : 0.2)) shown.push(gap)
  }
  return shown
}

function middle(gap: Gap): number {
  return gap.left + gap.width / 2
}

function place({ left, width }: { left: number; width: number }): { left: string; width: string } {
  return { left: percent(left), width: percent(width) }
}

function percent(part: number): string {
  return `${(part * 100).toFixed(2)}%`
}

function tone(bar: Bar): string {
  if (bar.kind === 'wait' || bar.kind === 'approval') return 'wait'
  return bar.kind === 'undo' ? 'undo' : stepTone(bar.state)
}

function describe(bar: Bar): string {
  const length = span(bar.to - bar.from)
  if (bar.kind === 'attempt') return `${t('attempt', { n: bar.n })} · ${name('step', bar.state)} · ${length}`
  return `${t(`bar.${bar.kind}`)} · ${length}`
}

/** How long a row's work took, without its waits. */
function took(row: Row): string {
  const work = row.bars.filter((bar) => bar.kind !== 'wait')
  return work.length > 0 ? span(work.reduce((sum, bar) => sum + bar.to - bar.from, 0)) : ''
}
