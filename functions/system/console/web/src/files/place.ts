// What a workspace takes as one file, in bytes: workspace.DefaultLimits. The server decides; this spares a long wait for its no.
export const largest = 64 * 1024 * 1024

/** Returns where a file goes that is put into a folder. */
export function target(folder: string, name: string): string {
  const path = [...folder.split('/'), name].filter((part) => part.trim() !== '').map((part) => part.trim())
  return `/${path.join('/')}`
}
