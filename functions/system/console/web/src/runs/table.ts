/** A table, as plugins give them: {"columns":["a"],"rows":[[1]],"truncated":false}. */
export interface Table {
  columns: string[]
  rows: unknown[][]
  truncated: boolean
}

/** Returns value as a table if it is one. */
export function asTable(value: unknown): Table | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { columns, rows, truncated } = value as Partial<Record<keyof Table, unknown>>
  if (!Array.isArray(columns) || !Array.isArray(rows) || columns.length === 0) return undefined
  if (!rows.every((row) => Array.isArray(row))) return undefined
  return { columns: columns.map(String), rows, truncated: truncated === true }
}

/** Writes the value of a cell. */
export function cell(value: unknown): string {
  if (value === null || value === undefined) return ''
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}
