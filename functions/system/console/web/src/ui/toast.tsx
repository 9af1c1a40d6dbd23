import { signal } from '@preact/signals'
import { explain } from './explain.ts'
import { Icon } from './icon.tsx'

interface Toast {
  id: number
  text: string
  bad: boolean
}

const toasts = signal<readonly Toast[]>([])
let last = 0

/** Tells people that something failed. */
export function toast(err: unknown): void {
  show(explain(err), true)
}

/** Tells people that something worked and cannot be seen otherwise. */
export function tell(text: string): void {
  show(text, false)
}

function show(text: string, bad: boolean): void {
  const id = ++last
  toasts.value = [...toasts.value.filter((one) => one.text !== text), { id, text, bad }]
  setTimeout(() => dismiss(id), bad ? 10_000 : 3_000)
}

function dismiss(id: number): void {
  toasts.value = toasts.value.filter((one) => one.id !== id)
}

/** Where toasts appear. It is always there, because screen readers watch only what was there before. */
export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map((one) => (
        <div key={one.id} class={one.bad ? 'toast bad' : 'toast'}>
          <Icon of={one.bad ? 'alert' : 'check'} />
          <span>{one.text}</span>
          <button type="button" class="plain" aria-label="×" onClick={() => dismiss(one.id)}><Icon of="close" /></button>
        </div>
      ))}
    </div>
  )
}
