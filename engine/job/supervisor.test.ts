import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { ErrorData } from '../base/errors.ts'
import type { FromEngine, RunOptions } from './protocol.ts'
import { Supervisor } from './supervisor.ts'

/** Real processes: each script below stands in for an engine and keeps to the protocol. */
let root: string
let messages: FromEngine[]
let restarts: ErrorData[]

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'supervisor-'))
  messages = []
  restarts = []
})
afterEach(() => rm(root, { recursive: true }))

/** A process may start slowly beside other tests. */
const PATIENT = { timeout: 10_000 }

const PRELUDE = `
  process.on('disconnect', () => process.exit())
  process.on('SIGTERM', () => {})
  const say = (message) => new Promise((done) => process.send(message, done))
  const planned = (restart) => say({ type: 'planned', job: 'visits', settings: { restart } })
  const started = async (restart) => {
    await planned(restart)
    await say({ type: 'started', job: 'visits' })
  }
  const finished = (more) => say({ type: 'finished', summary: { status: 'finished', ...more } })
  const fixed = { strategy: 'fixed-delay', attempts: 5, delayMs: 1 }
  const b = (n) => ({ path: '/b.mjs', hash: 'h' + n, inputs: [] })
  const first = () => new Promise((done) => process.once('message', (m) => done(m.options)))
`

async function supervisor(script: string, more: Partial<RunOptions> = {}): Promise<Supervisor> {
  const enginePath = join(root, 'engine.mjs')
  await writeFile(enginePath, `${PRELUDE}\n${script}`)
  const options: RunOptions = {
    jobPath: '/job.ts',
    bundleDir: join(root, 'bundle'),
    set: {},
    workRoot: root,
    fresh: true,
    takeOver: true,
    fork: false,
    dropState: [],
    renameUid: {},
    graceMs: 5_000,
    attempt: 0,
    dev: false,
    logs: 'parent',
    logLevel: 'info',
    progressMs: 0,
    ...more,
  }
  return new Supervisor({
    enginePath,
    options,
    execArgv: [],
    output: 'inherit',
    onMessage: (message) => messages.push(message),
    onRestart: (_, error) => restarts.push(error),
  })
}

test('a job that finishes gives its summary', async () => {
  const run = await supervisor(`
    const options = await first()
    await started(fixed)
    await finished({ recordsIn: 7, job: options.jobPath })
    process.exit()`)
  expect(await run.run()).toEqual({
    type: 'finished',
    summary: { status: 'finished', recordsIn: 7, job: '/job.ts' },
    restarts: 0,
    signal: undefined,
  })
  expect(messages.map((message) => message.type)).toEqual(['planned', 'started', 'finished'])
})

test('a killed engine is started again, with the same bundle, and not fresh again', async () => {
  const run = await supervisor(`
    const options = await first()
    await say({ type: 'bundled', bundle: b(options.attempt) })
    await started(fixed)
    if (options.attempt < 2) process.kill(process.pid, 'SIGKILL')
    await finished({ options })
    process.exit()`)
  const result = await run.run()
  expect(result).toMatchObject({ type: 'finished', restarts: 2 })
  expect(restarts[0]).toMatchObject({ code: 'WORKER_DIED' })
  expect(restarts[0]!.message).toBe('the engine process ended by SIGKILL')
  const last = messages.at(-1) as unknown as { summary: { options: RunOptions } }
  expect(last.summary.options).toMatchObject({ fresh: false, takeOver: false, attempt: 2 })
  expect(last.summary.options.bundle).toEqual({ path: '/b.mjs', hash: 'h1', inputs: [] })
})

test('the restart strategy of the job counts before records flow too', async () => {
  const run = await supervisor(`
    await first()
    await planned({ strategy: 'none' })
    const error = { code: 'FILE_IO', message: 'no space left' }
    await say({ type: 'failed', error, restartable: true })
    process.exit(1)`)
  expect(await run.run()).toMatchObject({ type: 'failed', restarts: 0 })
})

test('an error that no restart can mend ends the run', async () => {
  const run = await supervisor(`
    await first()
    const error = { code: 'GRAPH_NO_SINK', message: 'nothing reads it' }
    await say({ type: 'failed', error, restartable: false })
    process.exit(1)`)
  expect(await run.run()).toMatchObject({
    type: 'failed',
    error: { code: 'GRAPH_NO_SINK' },
    restarts: 0,
  })
})

test('the same record failing three times ends the run as poison', async () => {
  const run = await supervisor(`
    await first()
    await started(fixed)
    const place = { operator: 'visits', split: 'orders-3', offset: 812 }
    const error = { code: 'USER_FUNCTION_FAILED', message: 'x is undefined', place }
    await say({ type: 'failed', error, restartable: true })
    process.exit(1)`)
  const result = await run.run()
  expect(result).toMatchObject({ type: 'failed', error: { code: 'RECORD_POISON' }, restarts: 2 })
  expect(result.type === 'failed' && result.error.message).toBe(
    'the record at offset 812 of "orders-3" failed 3 times in step "visits": x is undefined',
  )
})

test('a record that its source cannot decode is poison by source, file and line', async () => {
  const run = await supervisor(`
    await first()
    await started(fixed)
    const record = '{"id":"x"}'
    const place = { operator: 'in', split: 'in.jsonl', offset: 1, unit: 'line', record }
    const error = { code: 'VALUE_UNFIT', message: 'the value is "x"', place }
    await say({ type: 'failed', error, restartable: true })
    process.exit(1)`)
  const result = await run.run()
  expect(result.type === 'failed' && result.error).toMatchObject({
    code: 'RECORD_POISON',
    message: 'the record at line 1 of "in.jsonl" failed 3 times in step "in": the value is "x"',
    place: { record: '{"id":"x"}' },
  })
})

test('a process that cannot even start is a bug, and not tried again', async () => {
  const run = await supervisor(`process.exit(7)`)
  expect(await run.run()).toMatchObject({ type: 'failed', error: { code: 'BUG' }, restarts: 0 })
})

test('the first signal asks for a clean stop', async () => {
  const run = await supervisor(`
    await first()
    process.once('message', async ({ type, signal }) => {
      await say({ type: 'finished', summary: { status: 'stopped', type, signal } })
      process.exit()
    })
    await started(fixed)`)
  const running = run.run()
  await expect.poll(() => messages.at(-1)?.type, PATIENT).toBe('started')
  run.signal('SIGTERM')
  expect(await running).toEqual({
    type: 'finished',
    summary: { status: 'stopped', type: 'signal', signal: 'SIGTERM' },
    restarts: 0,
    signal: 'SIGTERM',
  })
})

test('the second signal ends at once, and so does the end of the grace', async () => {
  const deaf = `await first(); await started(fixed); setInterval(() => {}, 1000)`
  const run = await supervisor(deaf)
  const running = run.run()
  await expect.poll(() => messages.at(-1)?.type, PATIENT).toBe('started')
  run.signal('SIGINT')
  run.signal('SIGINT') // At once: the same Ctrl-C.
  await new Promise((done) => setTimeout(done, 200))
  expect(run.enginePid).toBeDefined()
  run.signal('SIGINT')
  expect(await running).toEqual({ type: 'killed', restarts: 0, signal: 'SIGINT' })

  const short = await supervisor(deaf, { graceMs: 20 })
  const ending = short.run()
  await expect.poll(() => messages.length, PATIENT).toBe(2)
  short.signal('SIGTERM')
  expect(await ending).toMatchObject({ type: 'killed', signal: 'SIGTERM' })
})

test('a signal ends the pause before a restart', async () => {
  const run = await supervisor(`
    await first()
    await started({ strategy: 'fixed-delay', attempts: 5, delayMs: 600000 })
    process.kill(process.pid, 'SIGKILL')`)
  const running = run.run()
  await expect.poll(() => restarts.length, PATIENT).toBe(1)
  run.signal('SIGTERM')
  expect(await running).toMatchObject({ type: 'killed', signal: 'SIGTERM' })
})
