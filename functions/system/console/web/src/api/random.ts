/** Makes a name that nobody else makes, of so many random bytes. */
export function random(bytes: number): string {
  // Not crypto.randomUUID: browsers have it only on secure origins, and an office server may be plain HTTP.
  return Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (b) => b.toString(16).padStart(2, '0')).join('')
}
