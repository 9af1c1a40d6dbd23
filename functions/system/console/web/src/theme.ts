import { effect, signal } from '@preact/signals'

export type Theme = 'system' | 'light' | 'dark'

const storage = 'hearth.theme'

export const theme = signal<Theme>(read())

function read(): Theme {
  const kept = localStorage.getItem(storage)
  return kept === 'light' || kept === 'dark' ? kept : 'system'
}

/** Keeps the document in the chosen theme, and the choice over reloads. */
export function applyTheme(): void {
  effect(() => {
    document.documentElement.dataset['theme'] = theme.value
    localStorage.setItem(storage, theme.value)
  })
}

export function nextTheme(): void {
  const order: Theme[] = ['system', 'light', 'dark']
  theme.value = order[(order.indexOf(theme.value) + 1) % order.length] ?? 'system'
}
