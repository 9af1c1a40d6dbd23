import { t } from '../i18n.ts'
import { Mark } from '../ui/icon.tsx'
import { compose } from './composer.tsx'

/** What an empty conversation shows: what can be asked. */
export function Welcome() {
  const ideas = [t('welcome.idea1'), t('welcome.idea2'), t('welcome.idea3')]
  return (
    <div class="welcome">
      <Mark />
      <h1>{t('welcome.title')}</h1>
      <p>{t('welcome.text')}</p>
      <div class="ideas">
        {ideas.map((idea) => <button key={idea} type="button" onClick={() => compose(idea)}>{idea}</button>)}
      </div>
    </div>
  )
}
