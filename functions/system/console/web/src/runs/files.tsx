import { account } from '../api/account.ts'
import { address } from '../api/call.ts'
import type { Artifact } from '../api/types.ts'
import { bytes } from '../ui/clock.ts'
import { Icon } from '../ui/icon.tsx'

/** Files that a step made, to download in the version that it made. */
export function Files({ files, owner }: { files: Artifact[] | null | undefined; owner: string | undefined }) {
  if (!files?.length) return null
  return (
    <span class="files">
      {files.map((file) => (
        <a key={`${file.path}@${file.version ?? ''}`} class="chip file" href={fileAddress(file.path, file.version, owner)} download={base(file.path)}>
          <Icon of="file" />{file.path}{file.size !== undefined && <small>{bytes(file.size)}</small>}
        </a>
      ))}
    </span>
  )
}

/** Returns where a workspace file is read. Without an owner it is one's own. */
export function fileAddress(path: string, version?: number, owner?: string): string {
  return address('system-files/get', { path, version, owner: owner === account.value?.user ? undefined : owner })
}

function base(path: string): string {
  return path.split('/').at(-1) ?? path
}
