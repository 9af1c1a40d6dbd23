// The page in a real browser, against the server of cardboard in server.mjs.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { launch, missing } from './browser.mjs'
import { Fake, furnish } from './server.mjs'

const desktop = { width: 1280, height: 800 }
const phone = { width: 360, height: 740 }

describe('the page', { skip: missing || false }, () => {
  let browser
  before(async () => {
    browser = await launch()
  })
  after(() => browser.close())

  /** Runs a test with a server of its own, and fails it when the page throws or logs what it should not. */
  function story(name, tell) {
    test(name, async () => {
      const fake = await furnish(new Fake(), 'en').start()
      const devices = []
      const device = async (options = {}) => {
        const context = await browser.newContext({ viewport: desktop, locale: 'en-US', ...options })
        context.setDefaultTimeout(15_000)
        const page = await context.newPage()
        const errors = []
        page.on('pageerror', (err) => errors.push(err.message))
        devices.push({ context, errors })
        return page
      }
      const signedIn = async (path = '', options = {}) => {
        const page = await device(options)
        await page.goto(`${fake.url}${path}#code=${fake.code()}`)
        await page.getByRole('main').waitFor()
        return page
      }
      try {
        await tell({ fake, device, signedIn })
        for (const { errors } of devices) assert.deepEqual(errors, [])
      } finally {
        for (const { context } of devices) await context.close()
        await fake.stop()
      }
    })
  }

  async function say(page, text) {
    await page.getByRole('textbox', { name: 'Message Hearth' }).fill(text)
    await page.keyboard.press('Enter')
  }

  const replies = (page, text) => page.locator('.reply').filter({ hasText: text })
  const said = (page, text) => page.locator('.said').filter({ hasText: text })

  story('a sign-in link signs in once and leaves no code behind', async ({ fake, device }) => {
    const page = await device()
    const link = `${fake.url}runs#code=${fake.code()}`
    await page.goto(link)
    await page.getByRole('heading', { name: 'Runs' }).waitFor()
    assert.equal(page.url(), `${fake.url}runs`)
    await page.goto('about:blank')
    await page.goBack()
    await page.getByRole('heading', { name: 'Runs' }).waitFor()
    assert.equal(page.url(), `${fake.url}runs`)
    await page.goto('about:blank')
    await page.goto(link) // used up, but this browser is signed in
    await page.getByRole('heading', { name: 'Runs' }).waitFor()
    const other = await device()
    await other.goto(link)
    await other.getByRole('heading', { name: 'Sign in to Hearth' }).waitFor()
  })

  story('without a link the page says how to get one and takes a token', async ({ fake, device }) => {
    const page = await device()
    await page.goto(`${fake.url}runs`)
    await page.getByText('hearth user token NAME').waitFor()
    await page.getByText('hearth up').waitFor()
    await page.getByLabel('Code or token').fill('wrong')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('alert').filter({ hasText: 'was used already' }).waitFor()
    await page.getByLabel('Code or token').fill('ht_token')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('heading', { name: 'Runs' }).waitFor()
    await page.context().clearCookies()
    await page.getByRole('link', { name: 'Automations' }).click()
    await page.getByRole('heading', { name: 'Sign in to Hearth' }).waitFor()
  })

  story('an answer streams in, and shows once on two devices', async ({ fake, signedIn }) => {
    const first = await signedIn('chat/both')
    const second = await signedIn('chat/both', { viewport: phone })
    await say(first, 'a long text')
    for (const page of [first, second]) {
      await replies(page, 'First sentence.').waitFor()
      await replies(page, 'The end.').locator('footer').waitFor()
      assert.equal(await said(page, 'a long text').count(), 1)
      assert.equal(await page.locator('.reply').count(), 1)
      assert.equal(await page.locator('.reply strong').innerText(), 'Second')
    }
    assert.equal(fake.posts, 1)
  })

  story('Enter sends, Shift+Enter breaks the line, an input method keeps its Enter', async ({ fake, signedIn }) => {
    const page = await signedIn()
    const field = page.getByRole('textbox', { name: 'Message Hearth' })
    await field.fill('first')
    await page.keyboard.press('Shift+Enter')
    await page.keyboard.type('second')
    const before = await field.boundingBox()
    await field.evaluate((area) => area.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', isComposing: true, bubbles: true, cancelable: true })))
    assert.equal(await field.inputValue(), 'first\nsecond')
    assert.ok(before.height > 50, `the field is ${before.height} high`)
    await page.keyboard.press('Enter')
    await replies(page, 'You said: first').waitFor()
    assert.deepEqual(fake.messages.map((message) => message.text), ['first\nsecond'])
    assert.equal(await field.inputValue(), '')
  })

  story('what is said offline is kept over a reload and sent once', async ({ fake, signedIn }) => {
    const page = await signedIn('chat/tunnel')
    await page.getByRole('heading', { name: 'What shall we do?' }).waitFor()
    // Only the messages fail, so that the page itself can be loaded again.
    await page.context().route('**/adapter-web/messages', (route) => route.abort('connectionfailed'))
    await say(page, 'from the tunnel')
    await said(page, 'from the tunnel').getByText('Waiting for a connection').waitFor()
    await page.reload()
    await said(page, 'from the tunnel').waitFor()
    await page.context().unroute('**/adapter-web/messages')
    await page.evaluate(() => dispatchEvent(new Event('online')))
    await replies(page, 'You said: from the tunnel').waitFor()
    assert.equal(await said(page, 'from the tunnel').count(), 1)
    assert.equal(fake.messages.length, 1)
  })

  story('a message whose answer got lost is not said twice', async ({ fake, signedIn }) => {
    const page = await signedIn('chat/lost')
    let lost = 0
    await page.route('**/adapter-web/messages', async (route) => {
      if (lost++ > 0) return route.continue()
      await route.fetch() // the server has it
      return route.abort('connectionreset')
    })
    await say(page, 'exactly once')
    await replies(page, 'You said: exactly once').waitFor()
    assert.equal(await said(page, 'exactly once').count(), 1)
    assert.equal(fake.messages.length, 1)
  })

  story('a refusal for now is tried again, a refusal for good is shown', async ({ fake, signedIn }) => {
    const page = await signedIn()
    fake.refusals.push({ kind: 'limited', message: 'slow down', after_ms: 300 })
    await say(page, 'patience')
    await replies(page, 'You said: patience').waitFor()
    assert.equal(fake.posts, 2)
    fake.refusals.push({ kind: 'too_large', message: 'a message has at most 10 characters' })
    await say(page, 'too long for this server')
    const failed = said(page, 'too long')
    await failed.getByText('at most 10 characters').waitFor()
    await say(page, 'the next')
    await replies(page, 'You said: the next').waitFor()
    await failed.getByRole('button', { name: 'Discard' }).click()
    await failed.waitFor({ state: 'detached' })
  })

  story('a cut stream resumes where it was', async ({ fake, signedIn }) => {
    const page = await signedIn('chat/cut')
    await say(page, 'one')
    await replies(page, 'You said: one').waitFor()
    fake.down = true
    fake.cut()
    await page.getByText('Connection lost').waitFor()
    fake.append('cut', { type: 'user', key: 'elsewhere', text: 'two', from: 'li', at: new Date().toISOString() })
    fake.down = false
    await said(page, 'two').waitFor()
    await page.getByText('Connection lost').waitFor({ state: 'detached' })
    assert.match(fake.resumed.at(-1), /^\d+-\d+$/)
    assert.equal(await said(page, 'one').count(), 1)
    assert.equal(await said(page, 'two').locator('.from').innerText(), 'li')
  })

  story('where a proxy holds streams back, polls take over', async ({ fake, signedIn }) => {
    fake.mute = true
    const page = await signedIn('chat/proxy')
    await page.clock.install()
    await page.reload()
    await page.getByRole('heading', { name: 'What shall we do?' }).waitFor()
    let polls = 0
    page.on('request', (request) => (polls += Number(/events\?.*wait=/.test(request.url()))))
    for (let i = 0; polls === 0 && i < 200; i++) await page.clock.runFor(10_000)
    await say(page, 'through the proxy')
    await replies(page, 'You said: through the proxy').waitFor()
  })

  story('a plan shows what it touches, runs when approved, and can be undone', async ({ signedIn }) => {
    const page = await signedIn()
    await say(page, 'make the report')
    const card = page.getByRole('region', { name: 'Sales report by e-mail' })
    await card.getByText('Needs approval').waitFor()
    assert.equal(await card.locator('.chip.outside').textContent(), 'auditor@partner.testoutside')
    await card.getByText('2 of 3 steps').waitFor()
    await card.getByText('9f2c4e81aa07').waitFor()
    assert.equal(await page.getByRole('button', { name: 'Approve', exact: true }).count(), 1, 'the card has the only button')
    await card.getByRole('button', { name: 'Approve', exact: true }).click()
    await card.getByText('Sent to 2 recipients').waitFor()
    await page.getByRole('link', { name: 'Plan: Sales report by e-mail' }).waitFor()
    assert.equal(await card.count(), 1, 'one card for one run')
    assert.equal(await page.locator('.reply .markdown').count(), 0, 'the card is not repeated in words')
    const file = card.getByRole('link', { name: '/output/2026-11-22.xlsx' })
    assert.match(await file.getAttribute('href'), /system-files\/get\?path=%2Foutput%2F2026-11-22\.xlsx&version=3$/)
    await card.getByRole('button', { name: 'Undo', exact: true }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Undo' }).click()
    await card.getByText('Undone', { exact: true }).first().waitFor()
  })

  story('a plan that changed cannot be approved unseen', async ({ fake, signedIn }) => {
    const page = await signedIn()
    await say(page, 'make the report')
    const card = page.getByRole('region', { name: 'Sales report by e-mail' })
    await card.getByText('9f2c4e81aa07').waitFor()
    const run = fake.run('r3f-report0001')
    run.digest = 'ffff' + run.digest.slice(4)
    run.rev++
    await card.getByRole('button', { name: 'Approve', exact: true }).click()
    await page.getByText('the plan has changed since you saw it').waitFor()
    await card.getByText('ffff4e81aa07').waitFor()
    await card.getByText('Needs approval').waitFor()
  })

  story('a plan is changed before it is approved, and shows what it became', async ({ fake, signedIn }) => {
    const page = await signedIn('runs/r3f-aaaaaaaaaa')
    await page.getByText('Planned from the words of the request').first().waitFor()
    await page.getByRole('timer').filter({ hasText: /^in 23 h 5\d min\. Then nothing is done/ }).waitFor()
    await page.getByRole('button', { name: 'Change the plan' }).click()
    const form = page.getByRole('form', { name: 'Parameters of the plan' })
    const mail = form.getByRole('group', { name: 'Send the report' })
    assert.equal(await form.getByRole('button', { name: 'Save', exact: true }).isEnabled(), false, 'nothing is changed yet')
    await mail.getByLabel('to').fill('nobody')
    await form.getByRole('button', { name: 'Save', exact: true }).click()
    await page.getByText('steps.mail.params.to: not an address').waitFor()
    await mail.getByLabel('to').fill('["bo@example.com"]')
    await form.getByRole('button', { name: 'Save', exact: true }).click()
    await page.locator('.chip.outside').filter({ hasText: 'bo@example.com' }).waitFor()
    await page.getByText('1 times, last by mei').waitFor()
    await form.waitFor({ state: 'detached' })
    const [, last] = fake.edits
    assert.deepEqual(last, { digest: '9f2c4e81aa07d6b3c5e1f0987654321089abcdef0123456789abcdef01234567', set: { 'mail.to': ['bo@example.com'] }, approve: false })
    assert.equal(fake.run('r3f-aaaaaaaaaa').state, 'waiting_approval')

    await page.getByRole('button', { name: 'Change the plan' }).click()
    fake.run('r3f-aaaaaaaaaa').digest = 'eeee' + fake.run('r3f-aaaaaaaaaa').digest.slice(4) // somebody else was faster
    await mail.getByLabel('subject').fill('Sales')
    await form.getByRole('button', { name: 'Save and approve' }).click()
    await page.getByText('the plan was edited by li since it was shown').waitFor()
    assert.equal(fake.run('r3f-aaaaaaaaaa').state, 'waiting_approval')
    await form.getByRole('button', { name: 'Cancel' }).click()
    await page.getByText('eeee4e81aa07').waitFor()
    await page.getByRole('button', { name: 'Change the plan' }).click()
    await mail.getByLabel('subject').fill('Sales')
    await form.getByRole('button', { name: 'Save and approve' }).click()
    await page.getByText('Approved by mei').waitFor()
  })

  story('a mail that is held back counts down and can be stopped', async ({ fake, signedIn }) => {
    const page = await signedIn('runs/r3f-eeeeeeeeee?step=mail')
    await page.getByRole('timer').filter({ hasText: /can still be stopped for (299|300) s/ }).waitFor()
    await page.getByRole('timer').filter({ hasText: /can still be stopped for 29[0-8] s/ }).waitFor()
    await page.getByRole('group', { name: 'Plan' }).getByRole('button', { name: 'Send the first report' }).click()
    await page.getByText('Finding out whether it happened (asked 3 times).').waitFor()
    await page.getByRole('group', { name: 'Plan' }).getByRole('button', { name: 'Fill the report template' }).click()
    await page.getByText('Done by another run').waitFor()
    await page.getByRole('link', { name: 'r3f-bbbbbbbbbb' }).first().waitFor()
    await page.getByRole('group', { name: 'Plan' }).getByRole('button', { name: 'Send the report' }).click()
    await page.getByRole('button', { name: 'Stop before it goes out' }).click()
    await page.getByText('Stopped', { exact: true }).first().waitFor()
    assert.equal(fake.run('r3f-eeeeeeeeee').state, 'stopped')
  })

  story('what nobody can tell is settled by a person, and a refused undo shows the differences', async ({ fake, signedIn }) => {
    const page = await signedIn('runs/r3f-dddddddddd')
    await page.getByRole('group', { name: 'Nobody can tell whether this happened' }).getByRole('button', { name: 'It did not', exact: true }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click()
    assert.equal(fake.run('r3f-dddddddddd').steps[1].state, 'unknown')
    await page.getByRole('button', { name: 'It happened', exact: true }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'It happened' }).click()
    await page.getByText('It did happen, says mei.').waitFor()
    await page.getByRole('group', { name: 'Plan' }).getByRole('button', { name: 'Fill the report template' }).click()
    const list = page.getByRole('list', { name: 'What has changed' })
    await list.getByText('+kettle,2').waitFor()
    await list.getByText('was: 640, is: <script>1</script>').waitFor()
    await list.getByText('/output/a<b>.csv').waitFor()
  })

  story('an undo says first what it does and what it cannot', async ({ fake, signedIn }) => {
    const page = await signedIn('runs/r3f-bbbbbbbbbb')
    await page.getByRole('button', { name: 'Undo', exact: true }).click()
    const dialog = page.getByRole('dialog')
    const rows = dialog.getByRole('list', { name: 'What the undo does, newest first' }).locator('> li')
    await rows.nth(2).waitFor()
    assert.equal(await rows.count(), 3)
    await rows.nth(0).getByText('It cannot be taken back').waitFor()
    await rows.nth(1).getByText('The time to undo it has ended').waitFor()
    await rows.nth(2).getByText('It has changed since: the undo would refuse').waitFor()
    await rows.nth(2).getByText('was: 18 kB, is: 19 kB').waitFor()
    assert.equal(fake.run('r3f-bbbbbbbbbb').state, 'done', 'nothing is done before the answer')
    await dialog.getByRole('button', { name: 'Cancel' }).click()
    fake.run('r3f-bbbbbbbbbb').can.undo = false // meanwhile its time ended
    await page.getByRole('button', { name: 'Undo', exact: true }).click()
    await dialog.getByText('Nothing of this run can be taken back now.').waitFor()
    assert.equal(await dialog.getByRole('button', { name: 'Undo' }).count(), 0)
    await dialog.getByRole('button', { name: 'Close' }).click()
  })

  story('a run that went well becomes another run, or a task', async ({ fake, signedIn }) => {
    const page = await signedIn('runs/r3f-bbbbbbbbbb?step=mail')
    await page.getByRole('button', { name: 'New run from here', exact: true }).click()
    await page.waitForURL(/\/runs\/r3f-fork/)
    await page.getByText('Made from', { exact: false }).first().waitFor()
    const made = fake.run(new URL(page.url()).pathname.split('/').at(-1))
    assert.deepEqual(made.fork, { run: 'r3f-bbbbbbbbbb', step: 'mail' })
    assert.equal(made.dry_run, false)
    await page.goto(`${fake.url}runs/r3f-bbbbbbbbbb`)
    await page.getByRole('button', { name: 'Make it a task', exact: true }).click()
    await page.getByRole('heading', { name: 'New automation' }).waitFor()
    assert.match(await page.getByRole('textbox', { name: 'JSON' }).inputValue(), /"task_id": "frozen_bbbbbbbbbb"/)
    await page.getByRole('button', { name: 'Save', exact: true }).click()
    await page.waitForURL(/\/tasks\/frozen_bbbbbbbbbb$/)
  })

  story('everything is stopped, says so on every device, and is resumed by those who may', async ({ fake, signedIn }) => {
    const page = await signedIn('runs')
    await page.getByRole('button', { name: 'Stop everything' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click()
    assert.deepEqual(fake.brakes, [])
    await page.getByRole('button', { name: 'Stop everything' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Stop everything' }).click()
    const banner = page.getByRole('status').filter({ hasText: 'Everything is stopped.' })
    await banner.getByText('Stopped by mei').waitFor()
    await page.getByText('Runs that were stopped: 2').waitFor()
    assert.equal(await page.getByRole('button', { name: 'Stop everything' }).count(), 0)
    for (const id of ['r3f-aaaaaaaaaa', 'r3f-eeeeeeeeee']) assert.equal(fake.run(id).state, 'stopped', id)

    fake.role = 'operator' // who may stop everything, and not resume it
    const other = await signedIn('chat/x', { viewport: phone })
    await other.getByText('Everything is stopped.').waitFor()
    assert.equal(await other.getByRole('button', { name: 'Resume' }).count(), 0)
    const field = await other.getByRole('textbox', { name: 'Message Hearth' }).boundingBox()
    assert.ok(field.y + field.height < phone.height, 'the banner pushes the composer off the screen')
    fake.role = 'owner'
    await banner.getByRole('button', { name: 'Resume' }).click()
    await banner.waitFor({ state: 'detached' })
    assert.deepEqual(fake.brakes, [])
    await page.getByRole('button', { name: 'Stop everything' }).waitFor()
  })

  story('a member stops only their own runs', async ({ fake, signedIn }) => {
    fake.role = 'member'
    fake.addRun({ ...fake.run('r3f-eeeeeeeeee'), id: 'r3f-ofsomebody', user: 'li' })
    const page = await signedIn('alerts')
    await page.getByRole('heading', { name: 'Alerts' }).waitFor()
    assert.equal(await page.getByRole('region', { name: 'Dead letters' }).count(), 0)
    await page.getByRole('button', { name: 'Stop my runs' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Stop my runs' }).click()
    await page.getByText('Runs that were stopped: 2').waitFor()
    assert.equal(fake.run('r3f-ofsomebody').state, 'waiting')
    assert.deepEqual(fake.brakes, [])
  })

  story('alerts are counted and resolved, dead letters sent again, budgets shown', async ({ fake, signedIn }) => {
    const page = await signedIn('')
    const link = page.getByRole('navigation', { name: 'Places' }).getByRole('link', { name: /^Alerts/ })
    await link.locator('.badge').filter({ hasText: /^1$/ }).waitFor()
    await link.click()
    const alerts = page.getByRole('region', { name: 'Alerts' })
    await alerts.getByText('<b>Look</b> at it.').waitFor()
    assert.equal(await alerts.getByText('A budget is used up').count(), 0)
    await alerts.getByRole('button', { name: 'Resolve' }).click()
    await alerts.getByText('Nothing needs you.').waitFor()
    await link.locator('.badge').waitFor({ state: 'detached' })
    await alerts.getByRole('button', { name: /^All/ }).click()
    await alerts.getByText('Resolved by li').waitFor()

    const dead = page.getByRole('region', { name: 'Dead letters' })
    const letter = dead.getByRole('listitem').filter({ hasText: 'What about <i>this</i>?' })
    await letter.getByRole('button', { name: 'Try again' }).click()
    await letter.waitFor({ state: 'detached' })
    await dead.getByRole('button', { name: 'Discard' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Discard' }).click()
    await dead.getByText('Everything was answered and delivered.').waitFor()
    assert.deepEqual(fake.posted, ['redrive d1', 'discard d2'])

    const used = page.getByRole('meter', { name: 'user tokens 200000/day' })
    assert.equal(await used.getAttribute('aria-valuetext'), '50,000 of 200,000')
    const [bar, whole] = [await used.locator('i').boundingBox(), await used.boundingBox()]
    assert.ok(Math.abs(bar.width / whole.width - 0.25) < 0.01, `${bar.width} of ${whole.width}`)
    assert.equal(await page.getByRole('meter', { name: 'all money 5/month' }).getAttribute('aria-valuenow'), '5')
  })

  story('the stop button stops the run at work', async ({ fake, signedIn }) => {
    const page = await signedIn()
    fake.pace = 600
    await say(page, 'make the report')
    await page.getByRole('button', { name: 'Approve', exact: true }).click()
    await page.locator('.composer').getByRole('button', { name: 'Stop' }).click()
    await page.locator('.card').getByText('Stopped').waitFor()
    assert.equal(fake.run('r3f-report0001').state, 'stopped')
  })

  story('an answer can neither run scripts nor call home', async ({ signedIn }) => {
    const page = await signedIn()
    const requests = []
    page.on('request', (request) => requests.push(request.url()))
    await say(page, 'nasty')
    const reply = replies(page, 'Hello')
    await reply.getByText('<script>window.pwned=1</script>').waitFor()
    assert.equal(await page.evaluate(() => window.pwned), undefined)
    assert.equal(await reply.locator('img, script').count(), 0)
    assert.ok(!requests.some((url) => url.includes('pixel')), 'a picture was fetched')
    const good = reply.getByRole('link', { name: 'good' })
    assert.equal(await good.getAttribute('rel'), 'noopener noreferrer nofollow')
    assert.equal(await reply.locator('a', { hasText: 'bad' }).getAttribute('href').catch(() => null), null)
    assert.match(await reply.getByRole('link', { name: 'file' }).getAttribute('href'), /system-files\/get\?path=/)
  })

  story('a failed run opens on what failed, with every attempt', async ({ signedIn }) => {
    const page = await signedIn('runs')
    await page.getByRole('button', { name: /^Failed/ }).click()
    await page.getByRole('main').getByRole('link', { name: /Nightly stock check/ }).click()
    const inspector = page.getByRole('region', { name: 'Read the stock' })
    await inspector.getByRole('alert').filter({ hasText: 'connection refused' }).waitFor()
    await inspector.getByText('SELECT sku').waitFor()
    assert.equal(await inspector.locator('.attempts li').count(), 3)
    const lane = page.getByRole('group', { name: 'Timeline' }).getByRole('button', { name: 'Read the stock' })
    assert.equal(await lane.locator('.bar.attempt.bad').count(), 3)
    assert.equal(await lane.locator('.bar.wait').count(), 2)
    assert.equal(await page.locator('.lane .bar.undo').count(), 1)
    await page.getByRole('group', { name: 'Plan' }).getByRole('button', { name: 'Update the stock file' }).click()
    await page.getByRole('region', { name: 'Update the stock file' }).waitFor()
    assert.match(page.url(), /\?step=write$/)
    await page.reload()
    await page.getByRole('region', { name: 'Update the stock file' }).waitFor()
    await page.goBack()
    await page.getByRole('heading', { name: 'Runs' }).waitFor()
  })

  story('a run on the screen follows what others do, and each action has its command', async ({ fake, signedIn }) => {
    const page = await signedIn('runs/r3f-aaaaaaaaaa', { permissions: ['clipboard-read', 'clipboard-write'] })
    await page.getByRole('button', { name: 'Copy as command: hearth approve r3f-aaaaaaaaaa' }).click()
    await page.getByText('Copied: hearth approve').waitFor()
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), 'hearth approve r3f-aaaaaaaaaa')
    const badge = page.getByRole('link', { name: /^Runs/ }).locator('.badge')
    assert.equal(await badge.innerText(), '1')
    fake.change(fake.run('r3f-aaaaaaaaaa'), { state: 'denied', can: {}, approval: { needed: true, state: 'denied', by: 'li', at: new Date().toISOString() } })
    await page.getByText('Denied by li').waitFor()
    await badge.waitFor({ state: 'detached' })
  })

  story('it works behind a path prefix, at any depth', async ({ fake, signedIn, device }) => {
    fake.prefix = '/office/hearth'
    const prefixed = fake.url.replace('/function/', `${fake.prefix}/function/`)
    const page = await device()
    await page.goto(`${prefixed}runs/r3f-bbbbbbbbbb#code=${fake.code()}`)
    await page.getByRole('heading', { name: 'Sales report by e-mail' }).waitFor()
    await page.getByRole('link', { name: 'Mail' }).click()
    await page.getByRole('link', { name: /Daily Sales Report/ }).click()
    await page.waitForURL(`${prefixed}mail/m2`)
    fake.prefix = ''
    const lost = await signedIn('no/such/place')
    await lost.getByText('There is nothing at this address').waitFor()
  })

  story('a task shows its errors in place, runs, and is deleted after a question', async ({ signedIn }) => {
    const page = await signedIn('tasks/daily_report_gen')
    await page.getByText('Every day at 09:00 (Asia/Shanghai)').waitFor()
    await page.getByText('longer than the grace').waitFor()
    const editor = page.getByRole('textbox', { name: 'JSON' })
    const text = await editor.inputValue()
    await editor.fill(text.replace('"sql"', '"sqll"'))
    await page.getByRole('button', { name: 'Save', exact: true }).click()
    await page.getByRole('alert').filter({ hasText: 'unknown field "sqll"' }).waitFor()
    const line = text.split('\n').findIndex((one) => one.includes('"sql"')) + 1
    assert.equal(await page.locator('.gutter .bad').innerText(), String(line))
    await editor.fill(text.replace('"steps": [', '"steps": ['.slice(0, -1)))
    await page.getByRole('button', { name: 'Save', exact: true }).click()
    await page.getByRole('alert').filter({ hasText: 'Line' }).waitFor()
    await editor.fill(text.replace('0 9 * * *', '0 10 * * *'))
    await page.getByRole('button', { name: 'Save', exact: true }).click()
    await page.getByText('Every day at 10:00').waitFor()
    await page.getByRole('button', { name: 'Switch off' }).click()
    await page.getByRole('button', { name: 'Switch on' }).waitFor()
    await page.getByRole('button', { name: 'Run now', exact: true }).click()
    await page.waitForURL(/\/runs\/r3f-manual/)
    await page.goBack()
    await page.getByRole('button', { name: 'Delete', exact: true }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click()
    await page.getByRole('button', { name: 'Delete', exact: true }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
    await page.getByRole('link', { name: /stock_check/ }).waitFor()
    assert.equal(await page.getByRole('link', { name: /daily_report_gen/ }).count(), 0)
  })

  story('a task shows its terms and runs with other values', async ({ fake, signedIn }) => {
    const page = await signedIn('tasks/daily_report_gen')
    for (const term of ['Calendar: cn', 'Up to 5m later', 'Expected to end well within 30m']) await page.getByText(term).waitFor()
    await page.getByText(/^Fires at/).waitFor()
    const history = page.locator('.history li')
    await history.nth(0).getByText(/^fired at/).waitFor()
    await history.nth(1).getByText('longer than the grace of 2 h · and 4 before it').waitFor()
    assert.equal(await history.nth(2).locator('.why').innerText(), 'fired 10 s late')
    const params = page.getByRole('region', { name: 'Parameters' })
    assert.equal(await params.getByLabel('regions').inputValue(), '["华东"]')
    await params.getByLabel('to', { exact: true }).fill('42')
    await params.getByLabel('most').fill('25')
    await params.getByRole('button', { name: 'Dry run with these values' }).click()
    await page.waitForURL(/\/runs\/r3f-manual/)
    assert.deepEqual(fake.started, [{ dry_run: true, params: { to: '42', most: 25 } }])
  })

  story('files are put into the workspace with a button and by dropping them', async ({ fake, signedIn }) => {
    const page = await signedIn('files')
    await page.getByRole('link', { name: '/templates/report.xlsx' }).waitFor()
    const csv = (name, text) => ({ name, mimeType: 'text/csv', buffer: Buffer.from(text) })
    await page.getByLabel('Folder').fill('in')
    const [chooser] = await Promise.all([page.waitForEvent('filechooser'), page.getByRole('button', { name: 'Upload files' }).click()])
    await chooser.setFiles([csv('a.csv', 'x,y\n1,2\n'), csv('b<i>.csv', 'z\n')])
    await page.getByRole('link', { name: '/in/a.csv' }).waitFor()
    await page.getByRole('link', { name: '/in/b<i>.csv' }).waitFor()
    assert.deepEqual(fake.uploads, ['x,y\n1,2\n', 'z\n'])
    assert.match(await page.getByRole('link', { name: '/in/a.csv' }).getAttribute('href'), /system-files\/get\?path=%2Fin%2Fa\.csv&version=1$/)

    await page.getByLabel('Folder').fill('../up')
    const drop = (size) => page.getByRole('region', { name: 'Upload files' }).evaluate((zone, size) => {
      const data = new DataTransfer()
      data.items.add(new File([new Uint8Array(size)], 'big.bin'))
      zone.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }))
    }, size)
    await drop(3)
    await page.getByRole('alert').filter({ hasText: 'big.bin: path: ".." leads out of the workspace' }).waitFor()
    await page.getByLabel('Folder').fill('/')
    await drop(64 * 1024 * 1024 + 1)
    await page.getByRole('alert').filter({ hasText: 'big.bin: A file may have' }).waitFor()
    assert.equal(fake.uploads.length, 2, 'what is too large is not sent')
    await drop(3)
    await page.getByRole('link', { name: '/big.bin' }).waitFor()
    assert.equal(await page.getByRole('alert').count(), 0)
    await page.getByRole('searchbox').fill('IN/A')
    assert.deepEqual(await page.locator('.fileline strong').allInnerTexts(), ['/in/a.csv'])
  })

  story('a task that the assistant offers is set up with two presses', async ({ signedIn }) => {
    const page = await signedIn()
    await say(page, 'every day at nine the report')
    await page.getByRole('button', { name: 'Set up this automation' }).click()
    await page.getByRole('heading', { name: 'New automation' }).waitFor()
    await page.getByRole('button', { name: 'Save', exact: true }).click()
    await page.waitForURL(/\/tasks\/task_abc$/)
    await page.getByText('Every day at 09:00').waitFor()
  })

  story('a mail is shown without its scripts and without calling home', async ({ signedIn }) => {
    const page = await signedIn('mail/m2')
    const requests = []
    page.on('request', (request) => requests.push(request.url()))
    await page.reload()
    const frame = page.frameLocator('iframe')
    await frame.getByRole('heading', { name: 'Daily Sales Report' }).waitFor()
    assert.equal(await page.locator('iframe').getAttribute('sandbox'), 'allow-popups allow-popups-to-escape-sandbox')
    assert.equal(await frame.locator('script, img[src]').count(), 0)
    assert.equal(await frame.locator('body').evaluate((body) => getComputedStyle(body).backgroundColor), 'rgb(255, 255, 255)')
    assert.ok(!requests.some((url) => url.includes('pixel')), 'a picture was fetched')
    assert.equal(await page.evaluate(() => window.pwned), undefined)
    assert.match(await page.getByRole('link', { name: '2026-11-22.xlsx' }).getAttribute('href'), /system-mail\/m2\/attachments\/0$/)
    await page.getByRole('button', { name: 'Plain text' }).click()
    await page.getByText('The report of today is attached.').waitFor()
  })

  story('language and colours are the browser\'s until somebody chooses', async ({ signedIn }) => {
    const page = await signedIn('runs', { locale: 'zh-CN', colorScheme: 'dark' })
    await page.getByRole('heading', { name: '运行' }).waitFor()
    assert.equal(await page.locator('html').getAttribute('lang'), 'zh-CN')
    const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor)
    const dark = await background()
    await page.getByRole('button', { name: 'English' }).click()
    await page.getByRole('heading', { name: 'Runs' }).waitFor()
    await page.getByRole('button', { name: 'Colours: as the system' }).click()
    assert.notEqual(await background(), dark)
    await page.reload()
    await page.getByRole('heading', { name: 'Runs' }).waitFor()
    await page.getByRole('button', { name: 'Colours: light' }).waitFor()
    assert.notEqual(await background(), dark)
  })

  story('nothing is wider than the screen, and keys reach everything', async ({ fake, signedIn }) => {
    fake.lang = 'zh'
    for (const locale of ['en-US', 'zh-CN']) {
      for (const viewport of [phone, desktop]) {
        const page = await signedIn('', { locale, viewport })
        for (const path of ['', 'runs', 'runs/r3f-aaaaaaaaaa', 'runs/r3f-bbbbbbbbbb', 'runs/r3f-cccccccccc', 'runs/r3f-dddddddddd', 'runs/r3f-eeeeeeeeee?step=mail', 'tasks', 'tasks/daily_report_gen', 'tasks?new', 'mail', 'mail/m2', 'alerts', 'files']) {
          await page.goto(fake.url + path)
          await page.locator('main h1, .welcome h1').first().waitFor()
          const wide = await page.evaluate(() => [document.documentElement, document.querySelector('main')].filter((el) => el.scrollWidth > el.clientWidth + 1).map((el) => `${el.tagName} ${el.scrollWidth} > ${el.clientWidth}`))
          assert.deepEqual(wide, [], `${path} ${locale} ${viewport.width}`)
        }
      }
    }
    const page = await signedIn('runs')
    await page.getByRole('heading', { name: 'Runs' }).waitFor()
    await page.keyboard.press('Tab')
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to content')
  })

  story('a phone keeps the conversations in a drawer', async ({ signedIn }) => {
    const page = await signedIn('', { viewport: phone })
    const list = page.getByRole('navigation', { name: 'Conversations' })
    assert.equal(await list.isVisible(), false)
    await page.getByRole('button', { name: 'Conversations' }).click()
    await list.getByRole('link', { name: /Nightly stock check/ }).click()
    await said(page, 'Nightly stock check').waitFor()
    await list.waitFor({ state: 'hidden' })
  })
})
