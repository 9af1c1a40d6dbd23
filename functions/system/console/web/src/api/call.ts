import { account } from './account.ts'
import { Fault, decode } from './fault.ts'

// Assets lie in <page>/assets/ (in development <page>/src/), and functions next to the page. A variable,
// because the bundler rewrites URLs that it can read off the source.
const here = import.meta.url
/** The page's own address, with its trailing slash. */
export const page = new URL(here.includes('/src/api/') ? '../../' : '../', here)

/** Returns the address of a function, or of a path in it. */
export function address(path: string, query: Record<string, string | number | undefined> = {}): string {
  const url = new URL(`../${path}`, page)
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== '') url.searchParams.set(name, String(value))
  }
  return url.href
}

export interface Request {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE'
  query?: Record<string, string | number | undefined>
  /** Sent as JSON; a string is sent as it is, and so are bytes. */
  body?: unknown
  headers?: Record<string, string>
  signal?: AbortSignal
  /** In milliseconds; default 20 000. */
  timeout?: number
}

/** Calls a function and returns its JSON answer. Throws a Fault; a caller's own abort comes as it is. */
export async function call<T>(path: string, request: Request = {}): Promise<T> {
  const answer = await open(path, request)
  const text = await read(answer, request.signal)
  try {
    return (text === '' ? null : JSON.parse(text)) as T
  } catch {
    throw new Fault('unknown', 'the answer is not JSON', { status: answer.status })
  }
}

/** Calls a function and returns the answer with its body unread. */
export async function open(path: string, request: Request): Promise<Response> {
  const timeout = AbortSignal.timeout(request.timeout ?? 20_000)
  const signal = request.signal ? AbortSignal.any([request.signal, timeout]) : timeout
  const init: RequestInit = { method: request.method ?? 'GET', headers: { ...request.headers }, signal }
  if (request.body instanceof Blob) {
    init.body = request.body
  } else if (request.body !== undefined) {
    init.body = typeof request.body === 'string' ? request.body : JSON.stringify(request.body)
    init.headers = { ...request.headers, 'Content-Type': 'application/json' }
  }
  const answer = await send(address(path, request.query), init, request.signal)
  if (answer.ok) return answer
  const fault = decode(answer.status, await read(answer, request.signal), answer.headers.get('Retry-After'))
  // The session ended. Who never had one is told by whoever asked.
  if (fault.kind === 'unauthorized' && account.value) account.value = null
  throw fault
}

async function send(url: string, init: RequestInit, abort?: AbortSignal): Promise<Response> {
  try {
    return await fetch(url, init)
  } catch (err) {
    throw away(err, abort)
  }
}

async function read(answer: Response, abort?: AbortSignal): Promise<string> {
  try {
    return await answer.text()
  } catch (err) {
    throw away(err, abort)
  }
}

/** Says what a failed fetch means. A caller that aborted gets its own error back. */
function away(err: unknown, abort?: AbortSignal): unknown {
  if (abort?.aborted) return err
  if (err instanceof DOMException && err.name === 'TimeoutError') return new Fault('timeout', '')
  return new Fault('offline', '')
}
