import type { Step } from '../api/types.ts'
import { needs } from './fold.ts'

/** Sizes in pixels. A box is as wide as the place allows, within its limits. */
export const box = { widest: 204, narrowest: 150, height: 74, right: 32, below: 16 }

export interface Node {
  id: string
  x: number
  y: number
}

export interface Edge {
  from: string
  to: string
  /** SVG path data. */
  path: string
}

export interface Graph {
  width: number
  height: number
  /** Of each box. */
  box: number
  nodes: Node[]
  edges: Edge[]
}

// A place in a column: a step, or a lane that an edge over several columns keeps free.
interface Cell {
  key: string
  parents: string[]
}

/**
 * Lays out steps from left to right: a column is the longest way from a source, and the rows of a column
 * follow the middle of what they need. Plans are small (64 steps), and looked at, not edited.
 */
export function layout(steps: readonly Step[], available: number): Graph {
  const edges = needs(steps)
  const rank = ranks(edges)
  const columns = arrange(cells(edges, rank))
  const fit = Math.floor((available + box.right) / columns.length) - box.right
  const width = Math.min(box.widest, Math.max(box.narrowest, fit))
  const rows = Math.max(1, ...columns.map((column) => column.length))
  const at = new Map<string, { x: number; y: number }>()
  columns.forEach((column, i) => {
    column.forEach((cell, j) => {
      const y = (j + (rows - column.length) / 2) * (box.height + box.below)
      at.set(cell.key, { x: i * (width + box.right), y })
    })
  })
  return {
    width: columns.length * (width + box.right) - box.right,
    height: rows * (box.height + box.below) - box.below,
    box: width,
    nodes: steps.map((step) => ({ id: step.id, x: at.get(step.id)?.x ?? 0, y: at.get(step.id)?.y ?? 0 })),
    edges: steps.flatMap((step) => (edges.get(step.id) ?? []).map((from) => draw(from, step.id, rank, { at, width }))),
  }
}

/** Returns the column of each step. A cycle, which no valid plan has, is cut where it closes. */
function ranks(edges: Map<string, string[]>): Map<string, number> {
  const rank = new Map<string, number>()
  const visit = (id: string, path: Set<string>): number => {
    const known = rank.get(id)
    if (known !== undefined) return known
    const before = (edges.get(id) ?? []).filter((parent) => !path.has(parent) && parent !== id)
    const deeper = new Set(path).add(id)
    const own = Math.max(-1, ...before.map((parent) => visit(parent, deeper))) + 1
    rank.set(id, own)
    return own
  }
  for (const id of edges.keys()) visit(id, new Set())
  return rank
}

function lane(from: string, to: string, column: number): string {
  return `${from} ${to} ${column}`
}

function cells(edges: Map<string, string[]>, rank: Map<string, number>): Cell[][] {
  const columns: Cell[][] = Array.from({ length: Math.max(0, ...rank.values()) + 1 }, () => [])
  for (const [id, parents] of edges) {
    const own = rank.get(id) ?? 0
    const via = parents.map((parent) => {
      let last = parent
      for (let i = (rank.get(parent) ?? 0) + 1; i < own; i++) {
        const key = lane(parent, id, i)
        columns[i]?.push({ key, parents: [last] })
        last = key
      }
      return last
    })
    columns[own]?.push({ key: id, parents: via })
  }
  return columns
}

/** Orders each column by the middle of its parents' rows, keeping the plan's order among equals. */
function arrange(columns: Cell[][]): Cell[][] {
  let row = new Map<string, number>()
  return columns.map((column) => {
    const middle = (cell: Cell) => {
      const rows = cell.parents.map((parent) => row.get(parent) ?? 0)
      return rows.length > 0 ? rows.reduce((a, b) => a + b, 0) / rows.length : 0
    }
    const sorted = column.toSorted((a, b) => middle(a) - middle(b))
    row = new Map(sorted.map((cell, i) => [cell.key, i - (sorted.length - 1) / 2]))
    return sorted
  })
}

interface Places {
  at: Map<string, { x: number; y: number }>
  width: number
}

function draw(from: string, to: string, rank: Map<string, number>, { at, width }: Places): Edge {
  const [first, last] = [rank.get(from) ?? 0, rank.get(to) ?? 0]
  const stops = [from]
  for (let i = first + 1; i < last; i++) stops.push(lane(from, to, i))
  stops.push(to)
  const points = stops.map((key) => at.get(key) ?? { x: 0, y: 0 })
  const path = points.slice(1).map((point, i) => curve(points[i] ?? point, point, width, i > 0)).join('')
  return { from, to, path }
}

function curve(a: { x: number; y: number }, b: { x: number; y: number }, width: number, fromLane: boolean): string {
  const [ay, by] = [a.y + box.height / 2, b.y + box.height / 2]
  const ax = a.x + width
  const bend = box.right / 2
  // A lane is crossed straight, so that the edge stays clear of the boxes above and below it.
  const start = fromLane ? `H${ax}` : `M${ax} ${ay}`
  return `${start}C${ax + bend} ${ay} ${b.x - bend} ${by} ${b.x} ${by}`
}
