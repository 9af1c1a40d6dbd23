import { signal } from '@preact/signals'
import type { Account } from './types.ts'

/** Who is signed in: undefined until we know, null for nobody. */
export const account = signal<Account | null | undefined>(undefined)

// Weakest first: each has all rights of those before it.
const roles = ['guest', 'member', 'operator', 'admin', 'owner']

/** Reports whether whoever is signed in has at least a role. The server decides; this is for what to show. */
export function atLeast(role: string): boolean {
  return roles.indexOf(account.value?.role ?? '') >= roles.indexOf(role)
}
