import { signal } from '@preact/signals'
import type { Account } from './types.ts'

/** Who is signed in: undefined until we know, null for nobody. */
export const account = signal<Account | null | undefined>(undefined)
