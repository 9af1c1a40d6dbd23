// The page against a Hearth that runs: BASE_URL=http://127.0.0.1:8080/function/system-console/ and SIGNIN=the
// sign-in link that `hearth up` printed, or a code or token.
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import { launch, missing } from './browser.mjs'

const { BASE_URL: base, SIGNIN: signin } = process.env
const reason = missing || (base && signin ? false : 'BASE_URL and SIGNIN name no running Hearth')

describe('the page of a running Hearth', { skip: reason }, () => {
  const session = `web-test-${process.pid}`
  const errors = []
  let browser
  let context

  before(async () => {
    browser = await launch()
    context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: 'en-US' })
    context.setDefaultTimeout(30_000)
  })
  after(() => browser.close())
  afterEach(async () => {
    // Each open page holds a stream, and a browser opens six connections to one host.
    for (const page of context.pages()) await page.close()
  })

  async function open(path) {
    const page = await context.newPage()
    page.on('pageerror', (err) => errors.push(err.message))
    await page.goto(new URL(path, base).href)
    return page
  }

  test('the sign-in code is exchanged for a cookie', async () => {
    const page = await open('')
    const field = page.getByLabel('Code or token')
    await field.fill(signin)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('textbox', { name: 'Message Hearth' }).waitFor()
    const cookie = (await context.cookies()).find((one) => one.name === 'hearth_session')
    assert.ok(cookie?.httpOnly)
    assert.equal(cookie.sameSite, 'Strict')
  })

  test('a message is answered, and shows once on both devices', async () => {
    const [first, second] = [await open(`chat/${session}`), await open(`chat/${session}`)]
    await first.getByRole('textbox', { name: 'Message Hearth' }).fill(`hello from ${session}`)
    await first.keyboard.press('Enter')
    for (const page of [first, second]) {
      await page.locator('.reply footer').first().waitFor()
      assert.equal(await page.locator('.said').filter({ hasText: `hello from ${session}` }).count(), 1)
    }
    await first.getByRole('navigation', { name: 'Conversations' }).getByRole('link', { name: `hello from ${session}` }).waitFor()
  })

  test('a request for something to be done shows its plan', async () => {
    const page = await open(`chat/${session}`)
    await page.getByRole('textbox', { name: 'Message Hearth' }).fill('Make the sales report and email it to team@example.com')
    await page.keyboard.press('Enter')
    const card = page.locator('.card').last()
    await card.getByRole('button', { name: 'Approve', exact: true }).waitFor()
    await card.getByRole('link', { name: 'Details' }).click()
    await page.getByRole('group', { name: 'Plan' }).waitFor()
    await page.getByRole('button', { name: 'Deny', exact: true }).click()
    await page.getByText('Denied', { exact: true }).first().waitFor()
  })

  test('an approved plan runs, and is stopped before its mail goes out', async () => {
    const page = await open(`chat/${session}`)
    await page.getByRole('textbox', { name: 'Message Hearth' }).fill('Make the sales report and email it to team@example.com')
    await page.keyboard.press('Enter')
    const card = page.locator('.card').last()
    await card.getByRole('button', { name: 'Approve', exact: true }).click()
    await card.getByText(/Goes out at/).waitFor()
    await card.getByRole('link', { name: /\.xlsx/ }).waitFor()
    await card.getByRole('button', { name: 'Stop', exact: true }).click()
    await card.getByText('Stopped', { exact: true }).waitFor()
    await card.getByRole('button', { name: 'Undo', exact: true }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Undo' }).click()
    await card.getByText('Undone', { exact: true }).first().waitFor()
  })

  test('a plan is changed before it is decided about', async () => {
    const page = await open(`chat/${session}`)
    await page.getByRole('textbox', { name: 'Message Hearth' }).fill('Make the sales report and email it to team@example.com')
    await page.keyboard.press('Enter')
    await page.locator('.card.asks').last().getByRole('link', { name: 'Details' }).click()
    await page.getByRole('button', { name: 'Change the plan' }).click()
    const form = page.getByRole('form', { name: 'Parameters of the plan' })
    const subject = form.getByLabel('subject').last()
    await subject.fill('Changed on the page')
    await form.getByRole('button', { name: 'Save', exact: true }).click()
    await page.getByText(/^1 times, last by /).waitFor()
    await page.getByRole('button', { name: 'Change the plan' }).click()
    assert.equal(await subject.inputValue(), 'Changed on the page')
    await page.getByRole('button', { name: 'Deny', exact: true }).click()
    await page.getByText('Denied', { exact: true }).first().waitFor()
  })

  test('a file is put into the workspace', async () => {
    const page = await open('files')
    const name = `${session}.csv`
    await page.locator('input[type="file"]').setInputFiles({ name, mimeType: 'text/csv', buffer: Buffer.from('a,b\n1,2\n') })
    await page.getByRole('link', { name: `/${name}` }).waitFor()
  })

  test('everything is stopped, and resumed', async () => {
    const page = await open('runs')
    await page.getByRole('button', { name: 'Stop everything' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Stop everything' }).click()
    await page.getByText('Everything is stopped.').waitFor()
    await page.getByRole('button', { name: 'Resume' }).click()
    await page.getByText('Everything is stopped.').waitFor({ state: 'detached' })
  })

  test('every place opens', async () => {
    const page = await open('')
    for (const path of ['runs', 'tasks', 'tasks?new', 'mail', 'alerts', 'files']) {
      await page.goto(new URL(path, base).href)
      await page.locator('main h1, .notice h2').first().waitFor()
      assert.equal(await page.getByText('This could not be loaded').count(), 0, path)
    }
  })

  test('nothing threw', () => assert.deepEqual(errors, []))
})
