import { go } from '../navigation.tsx'

let proposed = ''

/** Opens the editor on a task that the assistant wrote, for its owner to look at and save. */
export function propose(text: string): void {
  proposed = text
  go({ at: 'tasks', create: true })
}

/** Returns the proposed task, once. */
export function takeProposal(): string {
  const text = proposed
  proposed = ''
  return text
}
