// A browser for the tests, or the reason why there is none.
import { existsSync } from 'node:fs'

const places = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
const executablePath = places.find((place) => place && existsSync(place))

// A browser in a test reaches for nothing but the page.
const args = [
  '--no-sandbox', '--headless', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
]

async function library() {
  try {
    return (await import('playwright-core')).chromium
  } catch (err) {
    if (err.code !== 'ERR_MODULE_NOT_FOUND') throw err
    return undefined
  }
}

const chromium = await library()

/** Why there is no browser; empty when there is one. */
export const missing = chromium
  ? executablePath ? '' : 'chromium is not installed (make dev-setup SUDO=1, or CHROMIUM=/path/to/it)'
  : 'playwright-core is not installed (npm ci in functions/system/console/web)'

export function launch() {
  return chromium.launch({ executablePath, args })
}
