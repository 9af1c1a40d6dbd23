import { useState } from 'preact/hooks'
import { call } from '../api/call.ts'
import type { Letter } from '../api/types.ts'
import { name, t } from '../i18n.ts'
import { ask } from '../ui/ask.tsx'
import { explain } from '../ui/explain.ts'
import { Icon } from '../ui/icon.tsx'
import { tell, toast } from '../ui/toast.tsx'
import { useRead } from '../ui/use.ts'
import { Ago } from '../ui/when.tsx'

/** What could not be answered or delivered, to send on its way again or to throw away. */
export function Letters() {
  const read = useRead((signal) => call<{ letters: Letter[] | null }>('system-tasks/dead', { signal }), [])
  const list = read.value?.letters ?? []
  return (
    <section class="panel" aria-label={t('dead')}>
      <h2>{t('dead')}</h2>
      {read.fault && <p class="error" role="alert">{explain(read.fault)}</p>}
      {read.value && list.length === 0 && <p class="none">{t('dead.none')}</p>}
      <ul class="rowlist">{list.map((letter) => <Row key={letter.id} letter={letter} changed={read.again} />)}</ul>
    </section>
  )
}

function Row({ letter, changed }: { letter: Letter; changed: () => void }) {
  const [busy, setBusy] = useState(false)
  const post = async (verb: 'redrive' | 'discard') => {
    const question = { title: t('ask.discard'), text: t('ask.discard.text'), yes: t('discard'), danger: true }
    if (verb === 'discard' && !(await ask(question))) return
    setBusy(true)
    await call(`system-tasks/dead/${encodeURIComponent(letter.id)}/${verb}`, { method: 'POST', body: {} })
    tell(t(`dead.${verb}`))
    changed()
  }
  const press = (verb: 'redrive' | 'discard') => void post(verb).catch(toast).finally(() => setBusy(false))
  return (
    <li>
      <span class="pill bad"><Icon of="mail" />{name('letter', letter.kind)}</span>
      <div class="about">
        <p class="letter">{letter.text}</p>
        <p class="facts"><Ago at={letter.at} /><span>{letter.platform}</span>{letter.user && <span>{letter.user}</span>}</p>
      </div>
      <div class="actions">
        <button type="button" disabled={busy} onClick={() => press('redrive')}><Icon of="retry" />{t('retry')}</button>
        <button type="button" disabled={busy} onClick={() => press('discard')}><Icon of="trash" />{t('discard')}</button>
      </div>
    </li>
  )
}
