import type { Answer } from './conversation.ts'

/**
 * Reports whether an answer is a run's plan or result written out, for places that cannot draw a card: a
 * bold headline, and the run named by its id. Where its card is shown it would say everything twice. Any
 * other text about a run, such as why an order was refused, is shown.
 */
export function isDrawn(answer: Answer): boolean {
  return answer.run !== '' && /^\*\*.+\*\*\s*\n/.test(answer.markdown) && answer.markdown.includes(`\`${answer.run}\``)
}

/** Returns the headline of such an answer. */
export function headline(answer: Answer): string {
  return isDrawn(answer) ? (/^\*\*(.+)\*\*/.exec(answer.markdown)?.[1] ?? '') : ''
}

/** Returns the text of a code block as a task, indented, if it is one. */
export function asTask(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null) return undefined
    const isTask = 'task_id' in value && 'trigger' in value && 'steps' in value && Array.isArray(value.steps)
    return isTask ? JSON.stringify(value, null, 2) : undefined
  } catch {
    return undefined // code of another kind
  }
}
