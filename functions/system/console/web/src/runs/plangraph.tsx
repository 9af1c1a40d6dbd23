import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { Step } from '../api/types.ts'
import { t } from '../i18n.ts'
import { StepSign, stepTone } from '../ui/state.tsx'
import { base } from './fold.ts'
import { type Graph, box, layout } from './layout.ts'

interface Props {
  steps: (Step & { count: number })[]
  selected: string
  select: (id: string) => void
}

/** The plan as a graph. Boxes are buttons over the drawn edges, so that text wraps and keys work. */
export function PlanGraph({ steps, selected, select }: Props) {
  const shape = steps.map((step) => `${step.id}<${(step.needs ?? []).join()}`).join(';')
  const frame = useRef<HTMLDivElement>(null)
  const [place, setPlace] = useState(0)
  const graph: Graph = useMemo(() => layout(steps, place), [shape, place])
  useLayoutEffect(() => {
    const resized = new ResizeObserver(() => setPlace(frame.current?.clientWidth ?? 0))
    if (frame.current) resized.observe(frame.current)
    return () => resized.disconnect()
  }, [])
  useEffect(() => reveal(frame.current), [selected, graph])
  const byId = new Map(steps.map((step) => [step.id, step]))
  return (
    <div class="graph" ref={frame} role="group" aria-label={t('graph')}>
      <div class="canvas" style={{ width: `${graph.width}px`, height: `${graph.height}px` }}>
        <svg width={graph.width} height={graph.height} aria-hidden="true">
          {graph.edges.map((edge) => (
            <path key={`${edge.from}>${edge.to}`} d={edge.path} class={`edge ${flow(byId.get(edge.from), byId.get(edge.to))}`} />
          ))}
        </svg>
        {graph.nodes.map((node) => {
          const step = byId.get(node.id)
          return step && <Box key={node.id} step={step} x={node.x} y={node.y} width={graph.box} selected={selected === base(node.id)} select={select} />
        })}
      </div>
    </div>
  )
}

/** Moves a graph that is wider than its frame to the selected box. The page itself stays where it is. */
function reveal(frame: HTMLElement | null): void {
  const box = frame?.querySelector<HTMLElement>('[aria-pressed="true"]')
  if (!frame || !box) return
  const least = box.offsetLeft + box.offsetWidth - frame.clientWidth
  frame.scrollLeft = Math.min(box.offsetLeft, Math.max(frame.scrollLeft, least))
}

/** An edge is done when its source is, and live while its target is at work. */
function flow(from: Step | undefined, to: Step | undefined): string {
  if (to?.state === 'running') return 'live'
  return from?.state === 'done' ? 'done' : ''
}

interface BoxProps {
  step: Step & { count: number }
  x: number
  y: number
  width: number
  selected: boolean
  select: (id: string) => void
}

function Box({ step, x, y, width, selected, select }: BoxProps) {
  const style = { left: `${x}px`, top: `${y}px`, width: `${width}px`, height: `${box.height}px` }
  return (
    <button type="button" class={`node ${stepTone(step.state)}`} style={style} aria-pressed={selected} onClick={() => select(step.id)}>
      <StepSign state={step.state} />
      <span><strong>{step.title || step.id}</strong><small>{step.count > 1 && `${step.count} × `}{step.plugin}</small></span>
    </button>
  )
}
