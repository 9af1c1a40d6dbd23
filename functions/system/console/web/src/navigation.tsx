import { signal } from '@preact/signals'
import type { ComponentChildren, TargetedMouseEvent } from 'preact'
import { page } from './api/call.ts'
import { type Route, format, parse } from './route.ts'

export const route = signal<Route>(read())

function read(): Route {
  return parse(location.pathname.slice(page.pathname.length), location.search)
}

addEventListener('popstate', () => (route.value = read()))

/** Goes to a place. With replace, going back does not lead here again. */
export function go(to: Route, how: 'push' | 'replace' = 'push'): void {
  const url = new URL(format(to), page)
  if (how === 'push') history.pushState(null, '', url)
  else history.replaceState(null, '', url)
  route.value = to
}

export function href(to: Route): string {
  return new URL(format(to), page).href
}

interface Props {
  to: Route
  current?: boolean
  class?: string
  /** For links that show only an icon: what they are called. */
  label?: string
  children: ComponentChildren
}

/** A link within the page. With a modifier key or the middle button it stays the browser's. */
export function Link({ to, current, class: look, label, children }: Props) {
  const follow = (e: TargetedMouseEvent<HTMLAnchorElement>) => {
    if (e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return
    e.preventDefault()
    go(to)
  }
  return (
    <a class={look} href={href(to)} title={label} aria-label={label} aria-current={current ? 'page' : undefined} onClick={follow}>
      {children}
    </a>
  )
}
