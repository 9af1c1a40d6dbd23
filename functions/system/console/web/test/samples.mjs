// Runs, tasks and mails as the functions answer them, in both languages.

const text = {
  en: {
    report: 'Sales report by e-mail', request: 'Make the sales report and email it to team@example.com',
    query: 'Query the sales of today', sheet: 'Fill the report template', mail: 'Send the report', trend: 'Draw the trend', note: 'Write the summary',
    rows: '3 rows', file: 'Wrote /output/2026-11-22.xlsx', sent: 'Sent to 2 recipients', lines: [
      'Read the table sales of the data source default', 'Fill /templates/report.xlsx and save it as /output/2026-11-22.xlsx',
      'Send “Daily Sales Report” with 1 attachment to team@example.com and auditor@partner.test'],
    broken: 'Nightly stock check', refused: 'connect to db.example.internal:5432: connection refused', undo: 'Put the stock file back', stock: 'Read the stock', write: 'Update the stock file',
    doubt: 'Mail to the partner', cut: 'the connection broke before an answer', changed: 'it has changed since the run', held: 'Report again', asked: 'Send the first report',
  },
  zh: {
    report: '销售报表邮件', request: '生成销售报表并发送邮件给 team@example.com',
    query: '查询今天的销售数据', sheet: '填写报表模板', mail: '发送报表邮件', trend: '绘制趋势图', note: '撰写摘要',
    rows: '3 行', file: '已写入 /output/2026-11-22.xlsx', sent: '已发送给 2 位收件人', lines: [
      '读取数据源 default 中的 sales 表', '填写 /templates/report.xlsx 并保存为 /output/2026-11-22.xlsx',
      '将“每日销售报表”连同 1 个附件发送给 team@example.com 和 auditor@partner.test'],
    broken: '夜间库存检查', refused: '连接 db.example.internal:5432 被拒绝', undo: '恢复库存文件', stock: '读取库存', write: '更新库存文件',
    doubt: '给合作方的邮件', cut: '应答前连接中断', changed: '运行之后已被改动', held: '再次发送报表', asked: '发送第一份报表',
  },
}

export function words(lang) {
  return text[lang]
}

const digest = '9f2c4e81aa07d6b3c5e1f0987654321089abcdef0123456789abcdef01234567'

export function ago(seconds) {
  return new Date(Date.now() - seconds * 1000).toISOString()
}

function step(id, plugin, title, effect, more = {}) {
  return {
    id, plugin, title, effect, state: 'planned', attempts: [], params: {}, summary: '', result: null, files: [],
    undo: { possible: false, until: '', state: '', error: null }, needs: [], wait_until: '', ...more,
  }
}

function view(id, state, more) {
  return {
    id, rev: 1, title: '', task: '', origin: 'chat', text: '', user: 'mei', lang: 'en', created: ago(40), ended: '',
    zone: 'Asia/Shanghai', date: '2026-11-22', state, error: null, digest, exit: 0, approval: null,
    card: { reads: [], writes: [], recipients: [], undoable: 0, total: 0, lines: [] }, steps: [], can: {}, ...more,
  }
}

/** A report that waits for its approval. */
export function report(id, lang, created = ago(5)) {
  const t = text[lang]
  return view(id, 'waiting_approval', {
    title: t.report, text: t.request, lang, created, exit: 7,
    approval: { needed: true, state: 'open', by: '', at: '', expires: ago(-86_000) },
    card: {
      reads: ['default: sales', '/templates/report.xlsx'], writes: ['/output/2026-11-22.xlsx'],
      recipients: [{ to: 'team@example.com', external: false }, { to: 'auditor@partner.test', external: true }],
      undoable: 2, total: 3, lines: t.lines,
    },
    steps: [
      step('query', 'database_query', t.query, 'read', { params: { source: 'default', sql: 'SELECT * FROM sales WHERE date=CURRENT_DATE' } }),
      step('sheet', 'excel_generator', t.sheet, 'compensable', { needs: ['query'], params: { template: '/templates/report.xlsx', output: '/output/2026-11-22.xlsx' } }),
      step('mail', 'email_sender', t.mail, 'irreversible', { needs: ['sheet'], params: { to: ['team@example.com', 'auditor@partner.test'], subject: 'Daily Sales Report', attachments: ['/output/2026-11-22.xlsx'] } }),
    ],
    can: { approve: true, deny: true, edit: true, cancel: true, retry: false, undo: false },
    author: 'words',
  })
}

/** What each step of a report gives. */
export function outcome(id, lang) {
  const t = text[lang]
  const table = { columns: ['date', 'region', 'product', 'amount'], rows: [['2026-11-22', '华东', 'Kettle', 1280.5], ['2026-11-22', '华北', 'Lamp', 640], ['2026-11-22', '华南', 'Stove', 2199.99]], truncated: false }
  const file = { path: '/output/2026-11-22.xlsx', version: 3, hash: 'b1946ac9', size: 18432, type: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet' }
  return {
    query: { summary: t.rows, result: table },
    sheet: { summary: t.file, result: { path: file.path, rows: 3 }, files: [file], undo: { possible: true, until: ago(-86_400 * 30), state: '', error: null } },
    mail: { summary: t.sent, result: { message_id: '<r3f-7@hearth>', accepted: 2 } },
  }[id]
}

/** A wider plan, with an attempt that failed before one that worked, and an approval that took a night. */
export function wide(id, lang) {
  const t = text[lang]
  const done = (n, from, to) => ({ n, started: ago(from), ended: ago(to), error: null })
  return view(id, 'done', {
    rev: 30, title: t.report, task: 'daily_report_gen', origin: 'task', lang, created: ago(52_000), ended: ago(3_000),
    approval: { needed: true, state: 'approved', by: 'mei', at: ago(3_030), expires: '' },
    card: { reads: ['default: sales'], writes: ['/output/2026-11-21.xlsx'], recipients: [{ to: 'team@example.com', external: false }], undoable: 3, total: 5, lines: t.lines },
    steps: [
      step('query', 'database_query', t.query, 'read', { state: 'done', attempts: [done(1, 3_029, 3_027)], ...outcome('query', lang) }),
      step('sheet', 'excel_generator', t.sheet, 'compensable', { state: 'done', needs: ['query'], attempts: [done(1, 3_027, 3_022)], ...outcome('sheet', lang) }),
      step('trend', 'chart', t.trend, 'idempotent', { state: 'done', needs: ['query'], summary: 'trend.png', attempts: [
        { n: 1, started: ago(3_027), ended: ago(3_019), error: { kind: 'timeout', message: 'no answer in 8 s' } }, done(2, 3_015, 3_010)] }),
      step('note', 'summarizer', t.note, 'read', { state: 'done', needs: ['query'], attempts: [done(1, 3_027, 3_012)] }),
      step('mail', 'email_sender', t.mail, 'irreversible', { state: 'done', needs: ['sheet', 'trend', 'note', 'query'], attempts: [done(1, 3_010, 3_008)], ...outcome('mail', lang) }),
    ],
    can: { undo: true },
  })
}

/** A run that failed and was rolled back. */
export function broken(id, lang) {
  const t = text[lang]
  const refused = { kind: 'unavailable', message: t.refused }
  return view(id, 'rolled_back', {
    rev: 21, title: t.broken, task: 'stock_check', origin: 'task', lang, created: ago(7_300), ended: ago(7_250), exit: 5,
    error: { step: 'query', kind: 'unavailable', message: t.refused },
    card: { reads: [], writes: ['/stock/today.csv'], recipients: [], undoable: 1, total: 3, lines: [] },
    steps: [
      step('write', 'file_manager', t.write, 'compensable', { state: 'undone', attempts: [{ n: 1, started: ago(7_300), ended: ago(7_298), error: null }],
        undo: { possible: false, until: '', state: 'done', error: null, started: ago(7_260), ended: ago(7_256) }, params: { op: 'write', path: '/stock/today.csv' } }),
      step('query', 'database_query', t.stock, 'read', { state: 'failed', needs: ['write'], params: { source: 'stock', sql: 'SELECT sku, count(*) FROM stock GROUP BY sku' }, attempts: [
        { n: 1, started: ago(7_298), ended: ago(7_296), error: refused }, { n: 2, started: ago(7_290), ended: ago(7_288), error: refused }, { n: 3, started: ago(7_270), ended: ago(7_262), error: refused }] }),
      step('mail', 'email_sender', t.mail, 'irreversible', { state: 'skipped', needs: ['query'] }),
    ],
    can: { retry: true },
  })
}

/** A run that sent something, and nobody can tell whether it arrived. */
export function doubtful(id, lang) {
  const t = text[lang]
  return view(id, 'needs_human', {
    rev: 12, title: t.doubt, lang, author: 'model', created: ago(500), ended: ago(400), exit: 6, error: { step: 'mail', kind: 'unknown', message: t.cut },
    steps: [
      step('sheet', 'excel_generator', t.sheet, 'compensable', { state: 'undo_failed', attempts: [{ n: 1, started: ago(500), ended: ago(490) }], undo: { possible: false, error: {
        kind: 'conflict', message: t.changed, changes: [
          { what: '/output/a<b>.csv', diff: ['-kettle,1', '+kettle,2'] }, { what: 'sales row 3: amount', then: '640', now: '<script>1</script>' }] } } }),
      step('mail', 'email_sender', t.mail, 'irreversible', { state: 'unknown', settle: true, needs: ['sheet'], attempts: [{ n: 1, started: ago(480), ended: ago(450), error: { kind: 'unknown', message: t.cut, doubt: true } }] }),
    ],
    can: { settle: true },
  })
}

/** A fork whose mail is still held back. */
export function held(id, lang) {
  const t = text[lang]
  return view(id, 'waiting', {
    rev: 8, title: t.held, origin: 'fork', lang, author: 'person', created: ago(20), fork: { run: 'r3f-bbbbbbbbbb', step: 'mail' }, params: { to: 'team@example.com' },
    steps: [
      step('sheet', 'excel_generator', t.sheet, 'compensable', { state: 'done', taken: 'r3f-bbbbbbbbbb', summary: t.file }),
      step('check', 'email_sender', t.asked, 'irreversible', { state: 'running', needs: ['sheet'], check: { state: 'asking', tries: 3, error: { kind: 'unavailable', message: t.refused } } }),
      step('mail', 'email_sender', t.mail, 'irreversible', { state: 'waiting', needs: ['sheet'], wait_until: ago(-300) }),
    ],
    can: { cancel: true },
  })
}

/** What an undo of the wide run would do. */
export function undoPlan(run, lang) {
  const t = text[lang]
  return {
    run: run.id, title: run.title, can: run.can.undo === true, steps: [
      { id: 'mail', title: t.mail, plugin: 'email_sender', state: 'done', summary: t.sent, blocked: 'irreversible' },
      { id: 'trend', title: t.trend, plugin: 'chart', state: 'done', until: ago(60), blocked: 'expired' },
      { id: 'sheet', title: t.sheet, plugin: 'excel_generator', state: 'done', summary: t.file, until: ago(-86_400), look: 'changed', would: t.undo,
        problem: { kind: 'conflict', message: t.changed, changes: [{ what: '/output/2026-11-22.xlsx', then: '18 kB', now: '19 kB' }] } },
    ],
  }
}

export function tasks() {
  return [
    { task_id: 'daily_report_gen', title: '', owner: 'mei', next: ago(-40_000), fires: ago(-40_120), last_run: 'r3f-bbbbbbbbbb', enabled: true, plan: {
      task_id: 'daily_report_gen', trigger: { type: 'cron', schedule: '0 9 * * *', timezone: 'Asia/Shanghai', misfire: 'once', grace: '2h', overlap: 'skip', calendar: 'cn', jitter: '5m', expect: '30m' },
      params: { to: 'team@example.com', regions: ['华东'], most: 10 },
      steps: [
        { id: 'query', plugin: 'database_query', params: { sql: 'SELECT * FROM sales WHERE date=CURRENT_DATE' } },
        { id: 'sheet', plugin: 'excel_generator', params: { template: '/templates/report.xlsx', output: '/output/{{date}}.xlsx' } },
        { id: 'mail', plugin: 'email_sender', params: { to: 'team@example.com', subject: 'Daily Sales Report', attachments: ['/output/{{date}}.xlsx'] } },
      ] } },
    { task_id: 'stock_check', title: '', owner: 'mei', next: '', last_run: 'r3f-cccccccccc', enabled: false, plan: {
      task_id: 'stock_check', trigger: { type: 'cron', schedule: '30 2 * * 1-5' }, steps: [{ plugin: 'database_query', params: { sql: 'SELECT 1' } }] } },
  ]
}

export function fires() {
  return [
    { at: ago(50_000), fired: true, fired_at: ago(49_880), run: 'r3f-bbbbbbbbbb', outcome: 'done' },
    { at: ago(136_400), fired: false, why: 'the host was off for 3 h, longer than the grace of 2 h', more: 4 },
    { at: ago(222_800), fired: true, run: 'r3f-cccccccccc', outcome: 'rolled_back', why: 'fired 10 s late' },
    { at: ago(309_200), fired: true, run: 'r3f-zzzzzzzzzz' },
  ]
}

export function alerts() {
  return [
    { id: 'aqwertyuiop', key: 'late/daily/1', kind: 'missed', title: { en: 'daily_report_gen has not ended well in time', zh: 'daily_report_gen 未按时完成' },
      text: { en: 'It has not begun.\n<b>Look</b> at it.', zh: '尚未开始。\n<b>请查看</b>。' }, user: 'mei', run: 'r3f-cccccccccc', task: 'daily_report_gen', at: ago(900), resolved: false },
    { id: 'aasdfghjkl', key: 'budget/1', kind: 'budget', title: { en: 'A budget is used up', zh: '预算已用完' }, text: { en: 'all tokens', zh: 'all tokens' }, at: ago(90_000), resolved: true, by: 'li' },
  ]
}

export function letters() {
  return [
    { id: 'd1', kind: 'message', at: ago(4_000), platform: 'telegram', user: 'li', text: 'What about <i>this</i>?' },
    { id: 'd2', kind: 'answer', at: ago(8_000), platform: 'slack', text: 'The report is ready.' },
  ]
}

export function budgets() {
  return [
    { budget: 'user tokens 200000/day', for: 'mei', limit: 200_000, used: 50_000, until: ago(-40_000) },
    { budget: 'all money 5/month', for: 'all', limit: 5, used: 5.25, until: ago(-400_000) },
  ]
}

export function files() {
  return [
    { path: '/output/2026-11-22.xlsx', version: 3, hash: 'b1946ac9', size: 18432, at: ago(3_022), run: 'r3f-bbbbbbbbbb', step: 'sheet' },
    { path: '/templates/report.xlsx', version: 1, hash: 'b1946ac8', size: 9000, at: ago(90_000) },
  ]
}

export function mails() {
  return [
    { id: 'm2', at: ago(3_008), from: 'hearth@localhost', to: ['team@example.com', 'auditor@partner.test'], subject: 'Daily Sales Report',
      attachments: [{ name: '2026-11-22.xlsx', size: 18432, type: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet' }],
      text: 'The report of today is attached.', html: `<h1>Daily Sales Report</h1><p style="color:red">The report of <b>today</b> is attached. <a href="https://example.com/x">More</a></p>
        <script>parent.postMessage('stolen','*')</script><img src="http://127.0.0.1:1/pixel.gif" onerror="top.pwned=1"><table border="1"><tr><th>Region</th><th>Amount</th></tr><tr><td>华东</td><td>1280.50</td></tr></table>` },
    { id: 'm1', at: ago(90_000), from: 'hearth@localhost', to: ['mei@example.com'], subject: '', attachments: [], text: 'Plain text only.\nTwo lines.', html: '' },
  ]
}

/** A plan or result as planners write it for places that cannot draw cards. */
export function written(run, lang) {
  const en = lang === 'en'
  const head = run.state === 'waiting_approval' ? (en ? 'Plan' : '计划') : (en ? 'Done' : '已完成')
  return `**${head}${en ? ': ' : '：'}${run.title}**\n\n${run.card.lines.map((line, i) => `${i + 1}. ${line}`).join('\n')}\n\n${en ? 'Run' : '运行'} \`${run.id}\``
}

/** A task as planners offer it. */
export function offer(lang) {
  const task = { task_id: 'task_abc', title: text[lang].report, trigger: { type: 'cron', schedule: '0 9 * * *' }, steps: tasks()[0].plan.steps }
  return `${lang === 'en' ? 'That is a task with a schedule:' : '这是一个定时任务：'}\n\n\`\`\`json\n${JSON.stringify(task, null, 2)}\n\`\`\``
}

/** An answer that tries what answers must not do. */
export const nasty = `Hello <img src=x onerror="window.pwned=1"> <script>window.pwned=1</script>

![tracker](http://127.0.0.1:1/pixel.gif) [bad](javascript:window.pwned=1) [good](https://example.com/a) [file](/output/2026-11-22.xlsx)

| a | b |
|---|---|
| 1 | 2 |

- [x] done

\`\`\`js
const a = "<b>"
\`\`\``
