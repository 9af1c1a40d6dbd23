import { chooseLang, lang, t } from './i18n.ts'
import { nextTheme, theme } from './theme.ts'
import { Icon } from './ui/icon.tsx'
import { toast } from './ui/toast.tsx'

const icons = { system: 'monitor', light: 'sun', dark: 'moon' } as const

/** The choices of language and theme. */
export function Tools() {
  const look = t('theme', { name: t(`theme.${theme.value}`) })
  const other = lang.value === 'zh' ? 'en' : 'zh'
  return (
    <div class="tools">
      <button type="button" class="plain" lang={other} onClick={() => void chooseLang(other).catch(toast)}>
        <Icon of="globe" />{other === 'zh' ? '中文' : 'English'}
      </button>
      <button type="button" class="plain" aria-label={look} title={look} onClick={nextTheme}><Icon of={icons[theme.value]} /></button>
    </div>
  )
}
