/** Returns the sign-in code in what somebody pasted: a whole link, its fragment, a code or a token. */
export function codeIn(text: string): string {
  const inFragment = /#(?:.*&)?code=([^&\s]+)/.exec(text)
  if (inFragment?.[1]) return decodeURIComponent(inFragment[1])
  const trimmed = text.trim()
  return /^[\w.~+/=-]+$/.test(trimmed) ? trimmed : ''
}
