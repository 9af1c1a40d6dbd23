/**
 * Fault is an error with a kind that programs act on, as every function answers it:
 * {"error":{"kind","message","field","next","after_ms"}}. The kind "offline" is ours: nothing answered.
 */
export class Fault extends Error {
  readonly kind: string
  readonly status: number
  readonly field: string
  readonly next: string
  /** When to try again, in milliseconds; 0 when the server did not say. */
  readonly after: number

  constructor(kind: string, message: string, more: { status?: number; field?: string; next?: string; after?: number } = {}) {
    super(message)
    this.kind = kind
    this.status = more.status ?? 0
    this.field = more.field ?? ''
    this.next = more.next ?? ''
    this.after = more.after ?? 0
  }
}

// What a status means when the body is not ours, for example a proxy's own 502 page.
const kinds: Record<number, string> = {
  400: 'invalid', 401: 'unauthorized', 403: 'forbidden', 404: 'not_found', 409: 'conflict', 412: 'stale', 413: 'too_large',
  422: 'failed', 429: 'limited', 500: 'internal', 502: 'unknown', 503: 'unavailable', 504: 'timeout',
}

/** Returns the fault in the body of an answer that is not 2xx. */
export function decode(status: number, body: string, retryAfter: string | null): Fault {
  const wire = parse(body)
  const after = wire?.after_ms ?? 1000 * (Number(retryAfter) || 0)
  if (wire?.kind) {
    return new Fault(wire.kind, wire.message ?? '', { status, field: wire.field ?? '', next: wire.next ?? '', after })
  }
  const kind = kinds[status] ?? (status < 500 ? 'invalid' : 'internal')
  return new Fault(kind, '', { status, after })
}

interface Wire {
  kind?: string
  message?: string
  field?: string
  next?: string
  after_ms?: number
}

function parse(body: string): Wire | undefined {
  try {
    const value: unknown = JSON.parse(body)
    if (typeof value !== 'object' || value === null || !('error' in value)) return undefined
    return typeof value.error === 'object' && value.error !== null ? value.error : undefined
  } catch {
    return undefined // a proxy's page, not a function's answer
  }
}

/** Reports whether the same request can succeed later, as it is. */
export function retryable(err: unknown): boolean {
  if (!(err instanceof Fault)) return false
  return ['offline', 'limited', 'unavailable', 'unknown', 'timeout', 'internal'].includes(err.kind)
}
