import DOMPurify from 'dompurify'
import paper from './paper.css?url'

const purify = DOMPurify(window)

purify.addHook('afterSanitizeAttributes', (node) => {
  if (!node.hasAttribute('href')) return
  node.setAttribute('target', '_blank')
  node.setAttribute('rel', 'noopener noreferrer nofollow')
})

// Pictures count only when they are in the mail itself: fetching one would tell its sender who reads.
const forbidden = {
  FORBID_TAGS: ['style', 'link', 'form', 'input', 'button', 'select', 'textarea', 'iframe', 'audio', 'video', 'svg', 'math'],
  FORBID_ATTR: ['style', 'srcset', 'background', 'poster', 'action', 'ping'],
}

purify.addHook('uponSanitizeAttribute', (_, attribute) => {
  if (attribute.attrName === 'src' && !attribute.attrValue.startsWith('data:image/')) attribute.keepAttr = false
})

// Browsers that know trusted types want one for a frame's source; what it holds is sanitized already.
const policy = window.trustedTypes?.createPolicy('hearth-mail', { createHTML: (html) => html })

/** Returns the document for the frame that shows a mail's HTML. */
export function document(html: string): string {
  const body = purify.sanitize(html, forbidden)
  const sheet = new URL(paper, import.meta.url).href
  const source = `<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="${sheet}"><body>${body}`
  return (policy?.createHTML(source) ?? source) as string
}
