import DOMPurify, { type Config } from 'dompurify'
import { Marked, type Token, type Tokens } from 'marked'
import { useMemo } from 'preact/hooks'
import { t } from '../i18n.ts'
import { fileAddress } from '../runs/files.tsx'
import { propose } from '../tasks/proposal.ts'
import { Icon } from '../ui/icon.tsx'
import { asTask } from './drawn.ts'

// What an answer may contain. Images are not in it: a remote one would tell its server who reads what.
const allowed = {
  ALLOWED_TAGS: [
    'a', 'blockquote', 'br', 'code', 'del', 'em', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'hr', 'li', 'ol', 'p', 'pre',
    'strong', 'table', 'tbody', 'td', 'th', 'thead', 'tr', 'ul',
  ],
  ALLOWED_ATTR: ['align', 'href', 'rel', 'start', 'target', 'title'],
  ALLOWED_URI_REGEXP: /^(?:https?|mailto|tel):/i,
  RETURN_TRUSTED_TYPE: true as const,
} satisfies Config & { RETURN_TRUSTED_TYPE: true }

const purify = DOMPurify(window)
purify.addHook('afterSanitizeAttributes', (node) => {
  if (!node.hasAttribute('href')) return
  node.setAttribute('target', '_blank')
  node.setAttribute('rel', 'noopener noreferrer nofollow')
})

const marked = new Marked({
  gfm: true,
  breaks: true,
  renderer: {
    // Raw HTML of a model or a plugin is text like any other.
    html: ({ text }) => escape(text),
    image: ({ href, text }) => `<a href="${escape(href)}">${escape(text || href)}</a>`,
    checkbox: ({ checked }) => (checked ? '[x] ' : '[ ] '),
  },
  walkTokens: (token) => {
    // A leading slash is the root of the person's workspace.
    if (token.type === 'link' && token.href.startsWith('/')) token.href = fileAddress(token.href)
  },
})

function escape(text: string): string {
  const names: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
  return text.replace(/[&<>"']/g, (char) => names[char] ?? char)
}

/** Markdown from outside, made safe. A text that grows at its end costs only its last block anew. */
export function Markdown({ text }: { text: string }) {
  const blocks = useMemo(() => lex(text), [text])
  return <div class="markdown">{blocks.map((block, i) => <Block key={i} token={block} />)}</div>
}

function lex(text: string): Token[] {
  const tokens = marked.lexer(text)
  if (marked.defaults.walkTokens) marked.walkTokens(tokens, marked.defaults.walkTokens)
  return tokens.filter((token) => token.type !== 'space' && token.type !== 'def')
}

function Block({ token }: { token: Token | Tokens.Generic }) {
  const html = useMemo(() => purify.sanitize(marked.parser([token]), allowed), [token.raw])
  const task = useMemo(() => (token.type === 'code' ? asTask(token['text']) : undefined), [token.raw])
  const block = <div dangerouslySetInnerHTML={{ __html: html as unknown as string }} />
  if (!task) return block
  return <div class="offer">{block}<button type="button" class="primary" onClick={() => propose(task)}><Icon of="tasks" />{t('tasks.apply')}</button></div>
}
