import { signal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { t } from '../i18n.ts'

interface Question {
  title: string
  text: string
  /** What the button says that does it. */
  yes: string
  danger?: boolean
  /** What to look at before the answer. */
  more?: ComponentChildren
  /** It cannot be done: there is only something to look at. */
  blocked?: boolean
}

const open = signal<(Question & { answer: (yes: boolean) => void }) | null>(null)

/** Asks before something that cannot simply be taken back. */
export function ask(question: Question): Promise<boolean> {
  open.peek()?.answer(false)
  return new Promise((resolve) => {
    open.value = {
      ...question,
      answer: (yes) => {
        open.value = null
        resolve(yes)
      },
    }
  })
}

/** Where questions appear. */
export function Questions() {
  const dialog = useRef<HTMLDialogElement>(null)
  const question = open.value
  useEffect(() => {
    if (question) dialog.current?.showModal()
    else dialog.current?.close()
  }, [question])
  return (
    <dialog ref={dialog} class="dialog" aria-labelledby="question" onCancel={() => question?.answer(false)}>
      {question && (
        <form method="dialog" onSubmit={() => question.answer(true)}>
          <h2 id="question">{question.title}</h2>
          <p>{question.text}</p>
          {question.more}
          <div class="row end">
            <button type="button" onClick={() => question.answer(false)}>{t(question.blocked ? 'close' : 'cancel')}</button>
            {!question.blocked && <button type="submit" class={question.danger ? 'danger' : 'primary'} autofocus>{question.yes}</button>}
          </div>
        </form>
      )}
    </dialog>
  )
}
