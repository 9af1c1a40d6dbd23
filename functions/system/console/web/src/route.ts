/** Where in the page somebody is. Every place has an address, so that it can be sent to a colleague. */
export type Route =
  | { at: 'chat'; session?: string }
  | { at: 'runs'; run?: string; step?: string }
  | { at: 'tasks'; task?: string; create?: true }
  | { at: 'mail'; mail?: string }
  | { at: 'alerts' | 'files' }
  | { at: 'nowhere' }

/** Reads the part of an address that follows the page's own. */
export function parse(path: string, search = ''): Route {
  const query = new URLSearchParams(search)
  const [head = '', id = '', ...more] = path.split('/').filter((part) => part !== '').map(decode)
  if (more.length > 0) return { at: 'nowhere' }
  switch (head) {
    case '':
    case 'chat':
      return id ? { at: 'chat', session: id } : { at: 'chat' }
    case 'runs': {
      const step = query.get('step')
      return id ? { at: 'runs', run: id, ...(step && { step }) } : { at: 'runs' }
    }
    case 'tasks':
      if (query.has('new')) return { at: 'tasks', create: true }
      return id ? { at: 'tasks', task: id } : { at: 'tasks' }
    case 'mail':
      return id ? { at: 'mail', mail: id } : { at: 'mail' }
    case 'alerts':
    case 'files':
      return id ? { at: 'nowhere' } : { at: head }
    default:
      return { at: 'nowhere' }
  }
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

/** Writes a route as an address that follows the page's own. */
export function format(route: Route): string {
  const id = encodeURIComponent
  switch (route.at) {
    case 'chat':
      return route.session ? `chat/${id(route.session)}` : ''
    case 'runs':
      if (!route.run) return 'runs'
      return `runs/${id(route.run)}${route.step ? `?step=${id(route.step)}` : ''}`
    case 'tasks':
      if (route.create) return 'tasks?new'
      return route.task ? `tasks/${id(route.task)}` : 'tasks'
    case 'mail':
      return route.mail ? `mail/${id(route.mail)}` : 'mail'
    case 'alerts':
    case 'files':
      return route.at
    case 'nowhere':
      return ''
  }
}
