// A Hearth of cardboard: it speaks the HTTP API of the page, with its errors, its streams and its limits, and
// lets a test break the connection. Run by itself (npm run fake) it is there to look at the page.
import { createServer } from 'node:http'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import * as samples from './samples.mjs'

const root = new URL('../../', import.meta.url)
const media = { html: 'text/html; charset=utf-8', js: 'text/javascript; charset=utf-8', css: 'text/css; charset=utf-8', svg: 'image/svg+xml' }
const statuses = { invalid: 400, unauthorized: 401, forbidden: 403, not_found: 404, conflict: 409, too_large: 413, failed: 422, limited: 429, unavailable: 503 }

class Refusal extends Error {
  constructor(kind, message, more = {}) {
    super(message)
    this.body = { error: { kind, message, ...more } }
    this.status = statuses[kind]
  }
}

export class Fake {
  lang = 'en'
  /** The role of the person. */
  role = 'owner'
  /** What is stopped until it is resumed. */
  brakes = []
  alerts = samples.alerts()
  letters = samples.letters()
  budgets = samples.budgets()
  /** The path that a proxy puts in front. */
  prefix = ''
  /** Drops every connection. */
  down = false
  /** Refuses the next messages with these faults, first come first. */
  refusals = []
  /** The bodies of the messages that were accepted. */
  messages = []
  /** The workspace's files, by path, and the bodies of uploads. */
  files = new Map(samples.files().map((file) => [file.path, file]))
  uploads = []
  /** The bodies that started tasks. */
  started = []
  /** What was done with dead letters. */
  posted = []
  /** The bodies of the edits of plans. */
  edits = []
  /** The Last-Event-ID of each stream. */
  resumed = []
  /** How many times a message came. */
  posts = 0
  /** Holds back what streams say, as some proxies do. */
  mute = false
  /** Milliseconds of each step. */
  pace = 120
  #codes = new Map([['ht_token', 'mei']])
  #sessions = new Map()
  #runs = new Map()
  #tasks = new Map(samples.tasks().map((task) => [task.task_id, task]))
  #streams = new Set()
  #waiters = new Set()
  #count = 0
  #server

  async start(port = 0) {
    this.#server = createServer((req, res) => {
      this.#serve(req, res).catch((err) => this.#fail(res, err))
    })
    await new Promise((resolve) => this.#server.listen(port, '127.0.0.1', resolve))
    this.url = `http://127.0.0.1:${this.#server.address().port}/function/system-console/`
    return this
  }

  async stop() {
    this.cut()
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  /** Ends every stream, as a restart of the server does. */
  cut() {
    for (const res of this.#streams) res.destroy()
    this.#streams.clear()
  }

  /** Makes a single-use code for signing in. */
  code() {
    const code = `code-${++this.#count}`
    this.#codes.set(code, 'mei')
    return code
  }

  run(id) {
    return this.#runs.get(id)
  }

  addRun(run) {
    this.#runs.set(run.id, run)
  }

  addSession(session, title, events, at = samples.ago(600)) {
    this.#sessions.set(session, { session, title, at, events: [] })
    for (const event of events) this.append(session, event)
  }

  #session(name) {
    if (!this.#sessions.has(name)) this.#sessions.set(name, { session: name, title: '', at: samples.ago(0), events: [] })
    return this.#sessions.get(name)
  }

  append(name, data) {
    const session = this.#session(name)
    session.at = samples.ago(0)
    session.events.push({ id: `1700000000000-${++this.#count}`, data })
    this.#wake()
  }

  #wake() {
    for (const wake of [...this.#waiters]) wake()
  }

  async #serve(req, res) {
    if (this.down) return void req.socket.destroy()
    const url = new URL(req.url, 'http://fake')
    const match = /^(.*)\/function\/([^/]+)(\/.*)?$/.exec(url.pathname)
    if (match?.[1] !== this.prefix) throw new Refusal('not_found', 'no such function')
    const [, , name, path = '/'] = match
    if (name === 'system-console') return this.#page(path, res)
    const body = await read(req)
    if (name === 'system-auth' && path === '/signin') return this.#signin(req, res, JSON.parse(body))
    if (!/hearth_session=mei/.test(req.headers.cookie ?? '')) throw new Refusal('unauthorized', 'sign in first', { next: 'hearth user token NAME' })
    const call = { req, res, url, path, body: body && name !== 'system-files' ? JSON.parse(body) : body }
    const handler = { 'system-auth': this.#auth, 'adapter-web': this.#chat, 'system-tasks': this.#system, 'system-mail': this.#mail, 'system-files': this.#files }[name]
    if (!handler) throw new Refusal('not_found', `no function ${name}`)
    const answer = await handler.call(this, call)
    if (answer !== undefined) json(res, answer.status ?? 200, answer.status ? answer.body : answer)
  }

  #fail(res, err) {
    if (res.headersSent) return void res.destroy()
    if (!(err instanceof Refusal)) console.error(err)
    json(res, err.status ?? 500, err.body ?? { error: { kind: 'internal', message: 'internal error' } })
  }

  /** Serves the built page as console.go does. */
  async #page(path, res) {
    const csp = (await readFile(new URL('csp.txt', root), 'utf8')).trim().split('\n').join('; ')
    const headers = { 'Content-Security-Policy': csp, 'X-Content-Type-Options': 'nosniff', 'Referrer-Policy': 'no-referrer' }
    const isAsset = path.startsWith('/assets/')
    const file = isAsset ? path.slice(1) : 'index.html'
    try {
      let raw = await readFile(new URL(`dist/${file}`, root))
      if (!isAsset) raw = String(raw).replaceAll('="./', `="${'../'.repeat(path.split('/').length - 2) || './'}`)
      res.writeHead(200, { ...headers, 'Content-Type': media[file.split('.').at(-1)] }).end(raw)
    } catch (err) {
      if (err.code !== 'ENOENT') throw err
      throw new Refusal('not_found', 'belongs to another version of the page')
    }
  }

  #signin(req, res, { code }) {
    const user = this.#codes.get(code)
    if (!user) throw new Refusal('unauthorized', 'this code is not valid, or was used already', { next: 'hearth user token NAME' })
    if (!code.startsWith('ht_')) this.#codes.delete(code)
    res.setHeader('Set-Cookie', `hearth_session=${user}; HttpOnly; SameSite=Strict; Path=/`)
    json(res, 200, { user, role: this.role })
  }

  #auth({ res, path, body }) {
    if (path === '/me') return { user: 'mei', role: this.role }
    if (path === '/signout') {
      res.setHeader('Set-Cookie', 'hearth_session=; Max-Age=0; Path=/')
      return {}
    }
    if (path === '/pair' && body.code === '123456') return { user: 'mei', platform: 'telegram', sender: '42' }
    throw new Refusal('not_found', 'the code is not known, or too old', { next: 'send /pair again' })
  }

  #chat(call) {
    if (call.path === '/sessions') return { sessions: this.#list() }
    if (call.path === '/messages') return this.#accept(call.body)
    if (call.path === '/events') return call.url.searchParams.has('wait') ? this.#poll(call) : this.#stream(call)
    throw new Refusal('not_found', 'no such path')
  }

  #list() {
    const list = [...this.#sessions.values()].filter((s) => s.events.length > 0)
    return list.map(({ session, title, at }) => ({ session, title, at })).sort((a, b) => b.at.localeCompare(a.at))
  }

  #accept({ session, text, key }) {
    this.posts++
    const refusal = this.refusals.shift()
    if (refusal) throw new Refusal(refusal.kind, refusal.message, refusal)
    if (text.length > 8000) throw new Refusal('too_large', 'a message has at most 8000 characters')
    const seen = this.messages.some((message) => message.key === key)
    if (!seen) {
      this.messages.push({ session, text, key })
      const own = this.#session(session)
      own.title ||= text.slice(0, 60)
      this.append(session, { type: 'user', key, text, from: 'mei', at: samples.ago(0) })
      setTimeout(() => void this.#answer(session, text, this.messages.length), this.pace)
    }
    return { status: 202, body: { session, message: key } }
  }

  async #answer(session, text, seq) {
    const answer = (markdown, more = {}) => this.append(session, { type: 'answer', key: `${session}/${seq}`, seq, markdown, buttons: [], run: '', repeated: false, at: samples.ago(0), ...more })
    if (text === '/stop') return answer('Stopped.')
    if (/every day|每天/i.test(text)) return answer(samples.offer(this.lang))
    if (/report|报表/.test(text)) {
      const run = samples.report(`r3f-report${String(seq).padStart(4, '0')}`, this.lang)
      this.#runs.set(run.id, run)
      const d = run.digest.slice(0, 12)
      return answer(samples.written(run, this.lang), {
        run: run.id, buttons: [[{ label: 'Approve', value: `a:${run.id}:${d}`, style: 'primary' }, { label: 'Deny', value: `d:${run.id}:${d}`, style: 'danger' }]],
      })
    }
    if (/nasty/.test(text)) return answer(samples.nasty)
    if (/slow/.test(text)) return undefined
    const sentences = text.includes('long') ? ['First sentence. ', '**Second** sentence. ', '\n\n- a list\n- of `things`\n\n', 'The end.'] : []
    for (const sentence of sentences) {
      this.append(session, { type: 'draft', seq, text: sentence })
      await sleep(this.pace)
    }
    return answer(sentences.join('') || `You said: ${text}`)
  }

  #events(session, after) {
    const list = this.#session(session).events
    const at = list.findIndex((event) => event.id === after)
    return list.slice(at + 1)
  }

  #stream({ req, res, url }) {
    const session = url.searchParams.get('session')
    let last = req.headers['last-event-id'] ?? ''
    this.resumed.push(last)
    res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' })
    this.#streams.add(res)
    if (this.mute) return res.flushHeaders()
    res.write(': hello\n\n')
    const wake = () => {
      for (const event of this.#events(session, last)) {
        res.write(`id: ${event.id}\ndata: ${JSON.stringify(event.data)}\n\n`)
        last = event.id
      }
    }
    this.#waiters.add(wake)
    res.on('close', () => {
      this.#streams.delete(res)
      this.#waiters.delete(wake)
    })
    wake()
  }

  async #poll({ url }) {
    const session = url.searchParams.get('session')
    const after = url.searchParams.get('after') ?? ''
    await this.#until(() => this.#events(session, after).length > 0, url)
    const events = this.#events(session, after)
    return { events, cursor: events.at(-1)?.id ?? after }
  }

  /** Waits until something holds, or for the seconds of ?wait=. */
  #until(holds, url) {
    const wait = Number(url.searchParams.get('wait') ?? 0)
    if (holds() || wait === 0) return undefined
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        this.#waiters.delete(wake)
        resolve()
      }
      const wake = () => holds() && done()
      const timer = setTimeout(done, wait * 1000).unref()
      this.#waiters.add(wake)
    })
  }

  async #system(call) {
    const [, first = '', second = '', third = ''] = call.path.split('/')
    if (first === 'stop') return call.req.method === 'GET' ? { stops: this.brakes } : this.#stop(call.body)
    if (first === 'resume') return this.#resume(call.body)
    if (first === 'alerts') return second ? this.#resolve(second) : { alerts: this.alerts }
    if (first === 'dead') return this.#dead(second, third)
    if (first === 'budget') return { budgets: this.budgets }
    const makes = third === 'fork' || (first !== 'runs' && second === 'run')
    if (makes && !/^"[0-9a-f]{32}"$/.test(call.req.headers['idempotency-key'])) throw new Refusal('invalid', 'what makes a run has a key', { field: 'Idempotency-Key' })
    if (first !== 'runs') return this.#task(call, first, second)
    if (second === '') return { runs: [...this.#runs.values()].map(brief).reverse() }
    const run = this.#runs.get(second)
    if (!run) throw new Refusal('not_found', `there is no run ${second}`)
    if (third) return this.#act(run, third, call.body)
    const rev = call.url.searchParams.get('rev')
    if (rev !== null) await this.#until(() => this.#runs.get(second).rev !== Number(rev), call.url)
    return this.#runs.get(second)
  }

  #act(run, verb, body) {
    if (verb === 'preview') return samples.undoPlan(run, this.lang)
    if (verb === 'edit') return this.#edit(run, body)
    if (verb === 'settle') return this.#settle(run, body)
    if (verb === 'fork') return this.#fork(run, body)
    if (verb === 'freeze') return this.#freeze(run)
    if (!run.can[verb]) throw new Refusal('conflict', `the run is ${run.state}: ${verb} is not possible`)
    if (verb === 'approve' && body.digest && !run.digest.startsWith(body.digest)) throw new Refusal('conflict', 'the plan has changed since you saw it')
    if (verb === 'approve') void this.#execute(run)
    if (verb === 'deny') this.change(run, { state: 'denied', can: {}, ended: samples.ago(0), approval: { ...run.approval, state: 'denied', by: 'mei', at: samples.ago(0) } })
    if (verb === 'cancel') this.#stopRun(run.id)
    if (verb === 'undo') void this.#undo(run)
    if (verb === 'retry') this.change(run, { state: 'running', can: { cancel: true }, error: null, ended: '' })
    return run
  }

  /** Changes a plan as edit.go does: bound to the digest that was seen, with a new one, and still waiting. */
  #edit(run, { digest, set, approve }) {
    this.edits.push({ digest, set, approve })
    if (!run.can.edit) throw new Refusal('conflict', `the run is ${run.state}: it cannot edit now`)
    if (!run.digest.startsWith(digest) || digest.length < 12) throw new Refusal('conflict', 'the plan was edited by li since it was shown', { field: 'digest' })
    for (const [place, value] of Object.entries(set)) {
      const [id, name] = place.split('.')
      const step = run.steps.find((one) => one.id === id)
      if (!step) throw new Refusal('invalid', `there is no step "${id}"`, { field: place })
      if (name === 'to' && !JSON.stringify(value).includes('@')) throw new Refusal('invalid', 'not an address', { field: `steps.${id}.params.${name}` })
      step.params = { ...step.params, [name]: value }
      if (name === 'to') run.card = { ...run.card, recipients: [value].flat().map((to) => ({ to, external: true })) }
    }
    const revision = (run.approval.revision ?? 0) + 1
    this.change(run, { digest: `${revision}d17${run.digest.slice(4)}`, approval: { ...run.approval, revision, editor: 'mei' } })
    if (approve) void this.#execute(run)
    return run
  }

  #settle(run, { step: id, did }) {
    const step = run.steps.find((one) => one.id === id)
    if (!step || typeof did !== 'boolean') throw new Refusal('invalid', 'say true when it happened, and false when it did not', { field: 'did' })
    Object.assign(step, { state: did ? 'done' : 'failed', settle: false, check: { state: did ? 'happened' : 'missing', by: 'mei' } })
    this.change(run, { can: { retry: true } })
    return run
  }

  #fork(run, { from = '', dry_run = false }) {
    const id = `r3f-fork${String(this.#runs.size).padStart(6, '0')}`
    const at = run.steps.findIndex((step) => step.id === from)
    if (from && at < 0) throw new Refusal('invalid', `the run has no step "${from}"`, { field: 'from' })
    const steps = run.steps.map((step, i) => (i < at ? { ...step, taken: run.id } : { ...step, state: 'planned', attempts: [] }))
    this.addRun({ ...run, id, rev: 1, state: 'running', origin: 'fork', dry_run, fork: { run: run.id, ...(from && { step: from }) }, steps, can: { cancel: true } })
    return this.#runs.get(id)
  }

  #freeze(run) {
    if (run.state !== 'done') throw new Refusal('conflict', `only a run that did its work can be frozen, and this one is ${run.state}`)
    return { task_id: `frozen_${run.id.split('-')[1]}`, title: run.title, params: { to: 'team@example.com' }, steps: run.steps.map(({ id, plugin, params }) => ({ id, plugin, params })) }
  }

  change(run, patch) {
    Object.assign(run, patch, { rev: run.rev + 1 })
    const session = [...this.#sessions.values()].find((s) => s.events.some((event) => event.data.run === run.id))
    if (session) this.append(session.session, { type: 'run', run: run.id, state: run.state, step: '', status: '', at: samples.ago(0) })
    this.#wake()
  }

  async #execute(run) {
    this.change(run, { state: 'running', can: { cancel: true }, approval: { ...run.approval, state: 'approved', by: 'mei', at: samples.ago(0) } })
    for (const step of run.steps) {
      Object.assign(step, { state: 'running', attempts: [{ n: 1, started: samples.ago(0), ended: '', error: null }] })
      this.change(run, {})
      await sleep(this.pace)
      if (run.state !== 'running') return
      step.attempts[0].ended = samples.ago(0)
      Object.assign(step, { state: 'done', ...samples.outcome(step.id, run.lang) })
      this.change(run, {})
    }
    this.change(run, { state: 'done', ended: samples.ago(0), can: { undo: true } })
    const session = [...this.#sessions.values()].find((s) => s.events.some((event) => event.data.run === run.id))
    if (session) this.append(session.session, { type: 'answer', key: `${run.id}/result`, seq: 0, run: run.id, repeated: false, at: samples.ago(0), buttons: [[{ label: 'Undo', value: `u:${run.id}` }]], markdown: samples.written(run, this.lang) })
  }

  async #undo(run) {
    this.change(run, { state: 'undoing', can: {} })
    await sleep(this.pace)
    for (const step of run.steps.filter((s) => s.undo.possible)) Object.assign(step, { state: 'undone', undo: { possible: false, state: 'done', until: '', error: null } })
    this.change(run, { state: 'undone' })
  }

  #stopRun(id) {
    const run = this.#runs.get(id)
    if (!run) return { stopped: [] }
    for (const step of run.steps) if (step.state === 'running') step.state = 'failed'
    this.change(run, { state: 'stopped', can: { retry: true }, ended: samples.ago(0) })
    return { stopped: [id] }
  }

  /** Stops as stop.go does: what is done to others lasts, and what one does to oneself does not. */
  #stop({ user, run }) {
    if (run) return { ...this.#stopRun(run), lasts: false }
    if (user !== 'mei') this.#need('operator')
    const lasts = user !== 'mei'
    if (lasts) this.brakes = [...this.brakes.filter((brake) => brake.user !== (user || undefined)), { ...(user && { user }), by: 'mei', at: samples.ago(0) }]
    const going = [...this.#runs.values()].filter((one) => one.can.cancel && (user === '' || one.user === user))
    return { stopped: going.flatMap((one) => this.#stopRun(one.id).stopped), lasts }
  }

  #resume({ user }) {
    this.#need(user ? 'operator' : 'admin')
    const at = this.brakes.findIndex((brake) => (brake.user ?? '') === user)
    if (at < 0) throw new Refusal('conflict', 'nothing is stopped there')
    this.brakes = this.brakes.toSpliced(at, 1)
    return { resumed: true }
  }

  #need(role) {
    const roles = ['guest', 'member', 'operator', 'admin', 'owner']
    if (roles.indexOf(this.role) < roles.indexOf(role)) throw new Refusal('forbidden', `this needs the role ${role}, and you have ${this.role}`)
  }

  #resolve(id) {
    const alert = this.alerts.find((one) => one.id === id)
    if (!alert) throw new Refusal('not_found', `no alert ${id}`)
    return Object.assign(alert, { resolved: true, by: 'mei' })
  }

  #dead(id, verb) {
    this.#need('operator')
    if (!id) return { letters: this.letters }
    const letter = this.letters.find((one) => one.id === id)
    if (!letter) throw new Refusal('not_found', `no such dead letter: "${id}"`, { next: 'hearth dead list' })
    if (verb !== 'redrive' && verb !== 'discard') throw new Refusal('not_found', `a dead letter cannot ${verb}`)
    this.letters = this.letters.filter((one) => one !== letter)
    this.posted.push(`${verb} ${id}`)
    return letter
  }

  #task({ req, body }, id, verb) {
    if (id === '') return { tasks: [...this.#tasks.values()] }
    if (req.method === 'PUT') return this.#putTask(id, body)
    const task = this.#tasks.get(id)
    if (!task) throw new Refusal('not_found', `there is no task ${id}`)
    if (req.method === 'DELETE') return this.#tasks.delete(id) && {}
    if (verb === 'history') return { fires: samples.fires() }
    if (verb === 'enable' || verb === 'disable') return Object.assign(task, { enabled: verb === 'enable' })
    if (verb === 'run') {
      for (const name of Object.keys(body.params ?? {})) {
        if (!(name in (task.plan.params ?? {}))) throw new Refusal('invalid', `the plan has no parameter "${name}"`, { field: `params.${name}` })
      }
      this.started.push(body)
      const run = samples.wide(`r3f-manual${String(this.#runs.size).padStart(4, '0')}`, this.lang)
      this.#runs.set(run.id, run)
      return { run: run.id }
    }
    return task
  }

  #putTask(id, plan) {
    const bad = plan.steps?.findIndex((step) => step.params?.sqll !== undefined) ?? -1
    if (bad >= 0) throw new Refusal('invalid', 'unknown field "sqll"', { field: `steps[${bad}].params.sqll` })
    const task = { task_id: id, title: '', owner: 'mei', next: samples.ago(-3600), last_run: '', enabled: true, plan }
    this.#tasks.set(id, task)
    return task
  }

  #upload(method, path, body) {
    if (method !== 'PUT') throw new Refusal('not_found', `there is no ${method} /upload`)
    if (path.split('/').includes('..')) throw new Refusal('invalid', '".." leads out of the workspace', { field: 'path' })
    const file = { path, version: (this.files.get(path)?.version ?? 0) + 1, hash: 'b1946ac9', size: body.length, at: samples.ago(0), run: 'upload', step: 'mei' }
    this.files.set(path, file)
    this.uploads.push(body)
    return file
  }

  #mail({ res, path }) {
    const [, id = '', part = ''] = path.split('/')
    if (id === '') return { mails: samples.mails().map(({ text, html, ...head }) => head) }
    const mail = samples.mails().find((one) => one.id === id)
    if (!mail) throw new Refusal('not_found', `there is no mail ${id}`)
    if (part === '') return mail
    return void res.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Disposition': 'attachment' }).end('bytes')
  }

  #files({ req, res, url, path: route, body }) {
    const path = url.searchParams.get('path')
    if (route === '/list') return { files: [...this.files.values()] }
    if (route === '/upload') return this.#upload(req.method, path, body)
    res.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Disposition': 'attachment' }).end(`content of ${path}`)
  }
}

/** A run as the list shows it. */
function brief(run) {
  return { ...run, steps: run.steps.map(({ params, result, ...step }) => step) }
}

function json(res, status, body) {
  res.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
}

async function read(req) {
  let text = ''
  for await (const chunk of req) text += chunk
  return text
}

function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Fills a server with something to look at. */
export function furnish(fake, lang) {
  fake.lang = lang
  fake.addRun(samples.broken('r3f-cccccccccc', lang))
  fake.addRun(samples.wide('r3f-bbbbbbbbbb', lang))
  fake.addRun(samples.held('r3f-eeeeeeeeee', lang))
  fake.addRun(samples.doubtful('r3f-dddddddddd', lang))
  fake.addRun(samples.report('r3f-aaaaaaaaaa', lang))
  const t = samples.words(lang)
  fake.addSession('web-old', t.broken, [{ type: 'user', key: 'k0', text: t.broken, from: 'mei', at: samples.ago(7_400) }], samples.ago(7_400))
  return fake
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const fake = await furnish(new Fake(), process.env.LANG?.startsWith('zh') ? 'zh' : 'en').start(Number(process.env.PORT ?? 0))
  fake.pace = 900
  console.log(`${fake.url}#code=${fake.code()}`)
}
