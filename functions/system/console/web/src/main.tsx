import { render } from 'preact'
import { App } from './app.tsx'
import { watch } from './attention.ts'
import { applyLang } from './i18n.ts'
import { arrive, takeCode } from './signin.tsx'
import './style/base.css'
import './style/controls.css'
import './style/shell.css'
import './style/chat.css'
import './style/runs.css'
import './style/pages.css'
import { applyTheme } from './theme.ts'

applyTheme()
watch()
void arrive(takeCode())
void applyLang().then(draw)

function draw(): void {
  const root = document.getElementById('app')
  if (!root) return
  root.textContent = ''
  render(<App />, root)
}
