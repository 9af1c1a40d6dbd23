import { t } from '../i18n.ts'
import { copy } from '../ui/command.tsx'
import { Icon } from '../ui/icon.tsx'
import { type Table, asTable, cell } from './table.ts'

// More rows or characters than these are for a download, not for a page.
const mostRows = 50
const mostText = 20_000

/** A value: a table as a table, all else as JSON. */
export function Value({ of }: { of: unknown }) {
  const table = asTable(of)
  if (table) return <Rows table={table} />
  const text = JSON.stringify(of, null, 2)
  return (
    <div class="value">
      <pre tabindex={0}>{text.length > mostText ? `${text.slice(0, mostText)}\n…` : text}</pre>
      <button type="button" class="plain" title={t('copy')} aria-label={t('copy')} onClick={() => void copy(text)}><Icon of="copy" /></button>
    </div>
  )
}

function Rows({ table }: { table: Table }) {
  const rest = table.rows.length - mostRows
  return (
    <div class="rows" tabindex={0}>
      <table>
        <thead><tr>{table.columns.map((column, i) => <th key={i} scope="col">{column}</th>)}</tr></thead>
        <tbody>
          {table.rows.slice(0, mostRows).map((row, i) => <tr key={i}>{row.map((value, j) => <td key={j}>{cell(value)}</td>)}</tr>)}
        </tbody>
      </table>
      {(rest > 0 || table.truncated) && <p>{rest > 0 ? t('table.more', { n: rest }) : t('table.truncated')}</p>}
    </div>
  )
}
