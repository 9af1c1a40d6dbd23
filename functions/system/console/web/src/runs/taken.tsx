import type { Step } from '../api/types.ts'
import { t } from '../i18n.ts'
import { Link } from '../navigation.tsx'
import { Icon } from '../ui/icon.tsx'

/** Says that another run did a step, and that this one never takes it back. */
export function Taken({ step }: { step: Step }) {
  if (!step.taken) return null
  return <p class="facts"><Icon of="link" />{t('step.taken')} <Link to={{ at: 'runs', run: step.taken }}><code>{step.taken}</code></Link></p>
}
