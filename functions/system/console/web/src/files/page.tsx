import { useState } from 'preact/hooks'
import { call } from '../api/call.ts'
import type { Artifact } from '../api/types.ts'
import { t } from '../i18n.ts'
import { Link } from '../navigation.tsx'
import { fileAddress } from '../runs/files.tsx'
import { bytes } from '../ui/clock.ts'
import { Icon } from '../ui/icon.tsx'
import { Failure, Loading } from '../ui/notice.tsx'
import { useRead } from '../ui/use.ts'
import { Ago } from '../ui/when.tsx'
import { Upload } from './upload.tsx'

// More rows than these are for the search field.
const mostRows = 200

interface WorkspaceFile extends Artifact {
  labels?: string[] | null
  /** The run that wrote it, or "upload". */
  run?: string
}

/** The workspace: its files, and a place to put more. */
export function FilesPage() {
  const [wanted, setWanted] = useState('')
  const read = useRead((signal) => call<{ files: WorkspaceFile[] | null }>('system-files/list', { query: { path: '/' }, signal }), [])
  if (read.fault) return <Failure fault={read.fault} retry={read.again} />
  if (!read.value) return <Loading />
  const all = read.value.files ?? []
  const found = all.filter((file) => file.path.toLowerCase().includes(wanted.trim().toLowerCase()))
  return (
    <div class="page">
      <header class="pagehead"><h1>{t('files')}</h1></header>
      <Upload done={read.again} />
      {all.length > 0 && <input type="search" value={wanted} aria-label={t('files.search')} placeholder={t('files.search')} onInput={(e) => setWanted(e.currentTarget.value)} />}
      {found.length === 0 && <p class="none">{t(all.length === 0 ? 'files.none' : 'files.nomatch')}</p>}
      <ul class="list">{found.slice(0, mostRows).map((file) => <Row key={file.path} file={file} />)}</ul>
      {found.length > mostRows && <p class="none">{t('files.more', { n: found.length - mostRows })}</p>}
    </div>
  )
}

function Row({ file }: { file: WorkspaceFile }) {
  const made = file.run && file.run !== 'upload'
  return (
    <li class="fileline">
      <a class="item" href={fileAddress(file.path, file.version)} download={file.path.split('/').at(-1)}>
        <Icon of="file" />
        <span class="main"><strong>{file.path}</strong></span>
        <span class="side"><Ago at={file.at} />{file.size !== undefined && <small>{bytes(file.size)}</small>}</span>
      </a>
      {made && <Link to={{ at: 'runs', run: file.run ?? '' }} class="button plain" label={t('alert.run')}><Icon of="runs" /></Link>}
    </li>
  )
}
