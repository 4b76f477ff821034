/**
 * The code blocks of the guide are run, and give what a plain loop gives. Blocks about steps run in
 * one thread, by `testJob`, at parallelism 1, 2 and 4; blocks about sources, formats and sinks run
 * over real files through the command line.
 *
 * B1. A block that is not in `BLOCKS` fails the test: each is run, or it is said why not.
 * B2. The blocks that a reader would put into one job are one job here, each in a scope of its own
 *     with the prelude of its page before it, and behind it what collects the streams it declares.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { compileFunction } from 'node:vm'
import ts from 'typescript'
import { afterAll, expect, test } from 'vitest'
import * as connectors from 'millrace/connectors'
import * as millrace from 'millrace'
import { testJob } from 'millrace/testing'
import { rows } from './cli/process.ts'
import * as answers from './guide-answers.ts'
import { query } from './kill/parquet-rows.ts'
import { Project, ROOT } from './millrace.ts'
import { blocksOf, pages, preludeOf } from './pages.ts'

const GUIDE = 'docs/guide'
const code = pages
  .filter((page) => page === 'README.md' || page.startsWith(GUIDE))
  .flatMap(blocksOf)
  .filter(({ language }) => language === 'ts')

/** In which job a block runs, with what behind it; or why it is not run here. */
type Case =
  { readonly run: 'thread' | 'files'; readonly after?: string } | { readonly because: string }

/** By how a block begins, imports and empty lines aside; '```' is its end. */
const BLOCKS: Readonly<Record<string, Case>> = {
  'const Product = struct({': {
    run: 'files',
    after: `env.fromSource('products', connectors.fileSource({
      path: './products.jsonl',
      format: connectors.json(Product),
    }))`,
  },
  'const slack = boundedOutOfOrderness(seconds(30)).withIdleness(minutes(1))\nconst landed': {
    run: 'files',
    after: `collect('landed', landed)`,
  },
  'const late = boundedOutOfOrderness(seconds(30))': {
    run: 'files',
    after: `for (const [uid, strategy] of Object.entries({ wider, free })) {
      env
        .fromSource(uid, fileSource({ path: './incoming', format: json(Click) }))
        .assignTimestampsAndWatermarks('at', strategy)
        .sinkTo('print-' + uid, printSink({ prefix: uid }))
    }`,
  },
  'const slow = clicks': {
    run: 'thread',
    after: `collect('slow', slow); collect('same-declared', sameDeclared)`,
  },
  'const perUser = clicks': {
    run: 'thread',
    after: `collect('per-user', perUser); collect('per-minute', perMinute)
      collect('hot', hot.map(({ url, ...rest }) => rest))`,
  },
  'const counted = clicks': { run: 'thread', after: `collect('counted', counted)` },
  'const Visit = struct({ user:': { run: 'thread', after: `collect('visits', visits)` },
  'const Page = struct({': { run: 'thread', after: `collect('pages', pages)` },
  'interface Counted {': { run: 'thread', after: `collect('numbered', numbered)` },
  'const Paid = struct({': { run: 'thread', after: `collect('joined', joined)` },
  'const Row = struct({': { run: 'thread' },
  'env.checkpointing({ everyMs: 5_000': { run: 'thread' },
  'env.checkpointing({\n': { run: 'thread' },
  'env.restart({': { run: 'thread' },
  "env.fromSource('books'": { run: 'files' },
  'const orders = env.fromSource(': { run: 'files' },
  "env.fromSource(\n  'made-up'": { run: 'files' },
  "clicks.sinkTo(\n  'lake'": { run: 'files' },
  "clicks.sinkTo('lines'": { run: 'files' },
  "env.fromSource(\n  'clicks',\n  kafkaSource({": { because: 'needs a broker: tests/kafka' },
  'const Click = struct({ user: utf8(), url: utf8() })': { because: 'needs a broker' },
  'const slack = boundedOutOfOrderness(seconds(30)).withIdleness(minutes(1))\n```': {
    because: 'reads nothing',
  },
  "export default defineJob('word-count'": { because: 'is a test below' },
  'const summary = await runJob(': { because: 'is a test below' },
  'const Payment = struct({ id:': { because: 'is a test below' },
  'const Order = struct({ shop:': { because: "README's job: tests/cli/idle-subtasks.test.ts" },
  'const Click = struct({ user: utf8(), at: timestamp() })': {
    because: 'compares its answer itself: tests/docs.test.ts',
  },
  'const Visit = struct({ page:': {
    because: 'compares its answer itself: tests/docs.test.ts',
  },
}

function beginningOf(body: string): string | undefined {
  const text = `${body.replaceAll(/^import .*\n/gm, '')}\`\`\``.replaceAll(/^\n/gm, '')
  const found = Object.keys(BLOCKS).filter((begins) => text.startsWith(begins))
  return found.length === 1 ? found[0] : undefined
}

test('each block of the guide is run, or it is said why not', () => {
  const unknown = code
    .filter(({ body }) => beginningOf(body) === undefined)
    .map(({ page, line }) => `${page}, line ${line}`)
  expect(unknown).toEqual([])
  const used = new Set(code.map(({ body }) => beginningOf(body)))
  expect(Object.keys(BLOCKS).filter((begins) => !used.has(begins))).toEqual([])
})

/** So that the job has an end, and soon. */
const SHORTER: readonly (readonly [string, string])[] = [
  ['watch: true', 'watch: false'],
  ['records: 1_000_000,\n', 'records: 1_000,\n'],
  ['perSecond: 50_000,\n', ''],
]

/** The blocks that run in this way as one job; `env` collects each source. */
function jobOf(run: 'thread' | 'files', streams: string): string {
  const scopes = code.flatMap(({ page, body }) => {
    const block = BLOCKS[beginningOf(body)!]!
    if (!('run' in block) || block.run !== run) return []
    const short = SHORTER.reduce((text, [from, to]) => text.replaceAll(from, to), body)
    const prelude = /^import /m.test(body) ? '' : preludeOf(page)
    const scope = `${prelude}${short}${block.after ?? ''}`
    return scope
      .replaceAll(/^(import \* as|import type) .*\n/gm, '')
      .replaceAll(/^import (.*) from 'millrace'$/gm, 'const $1 = millrace')
  })
  return `import * as millrace from 'millrace'
import * as connectors from 'millrace/connectors'
const { int32, json, struct, timestamp, utf8 } = { ...millrace, ...connectors }
const Line = struct({ line: utf8() })
const AnyClick = struct({ user: utf8(), url: utf8(), millis: int32(), at: timestamp() })
const AnyOrder = struct({ id: utf8(), shop: utf8(), cents: int32(), at: timestamp() })
export default millrace.defineJob('guide', (real) => {
  const collect = (name, stream) =>
    stream
      .map((row) => ({ line: JSON.stringify(row) }))
      .sinkTo('out-' + name, connectors.fileSink({ directory: './collected/' + name, schema: Line }))
  const uids = new Set()
  const env = new Proxy(real, {
    get(of, name) {
      if (name !== 'fromSource') return of[name].bind(of)
      return (given, source) => {
        const uid = uids.has(given) ? given + '-2' : given
        uids.add(uid)
        const stream = of.fromSource(uid, source)
        collect(uid, stream)
        return stream
      }
    },
  })
  const timed = (uid, schema) => real
    .fromSource(uid, connectors.fileSource({ path: './' + uid + '.jsonl', format: json(schema) }))
    .assignTimestampsAndWatermarks('at', millrace.boundedOutOfOrderness(millrace.hours(3)))
  ${streams}
  ${scopes.map((scope) => `{\n${scope}\n}`).join('\n')}
})
`
}

/** A job from its text, in this process. */
function load(text: string): unknown {
  const { ES2023: target } = ts.ScriptTarget
  const script = ts.transpile(text, { target, module: ts.ModuleKind.CommonJS })
  const modules: Readonly<Record<string, unknown>> = {
    millrace,
    'millrace/connectors': connectors,
  }
  const exported: { default?: unknown } = {}
  const run = compileFunction(script, ['require', 'exports']) as (...given: unknown[]) => void
  run((name: string) => modules[name], exported)
  return exported.default
}

function expectRows(name: string, found: readonly unknown[], wanted: readonly unknown[]): void {
  expect(wanted.length, name).toBeGreaterThan(0)
  const [got, want] = [found, wanted].map((all) => all.map(answers.canonical).sort())
  expect({ name, rows: got }).toEqual({ name, rows: want })
}

const parsed = (all: readonly unknown[]): readonly unknown[] =>
  all.map((row) => JSON.parse((row as { line: string }).line) as unknown)

const THREAD = `
  const clicks = timed('all-clicks', AnyClick)
  const orders = timed('all-orders', AnyOrder)
  const payments = timed('all-payments', AnyOrder)
  const rows = clicks.map(({ user, at }) => ({ user, clicks: 1, at }))
`

test.each([1, 2, 4])(
  'blocks about steps give what a plain loop gives, at parallelism %d',
  async (parallelism) => {
    const running = await testJob(load(jobOf('thread', THREAD)), { parallelism })
    await running.source('all-clicks').send(...answers.clicks)
    await running.source('all-orders').send(...answers.orders)
    await running.source('all-payments').send(...answers.payments)
    await running.finish()
    const expected = answers.ofSteps()
    expect(expected['visits']).toHaveLength(194)
    for (const [name, wanted] of Object.entries(expected)) {
      expectRows(name, parsed(running.sink(`out-${name}`).rows()), wanted)
    }
    const plain = answers.clicks.map(({ user, at }) => ({ user, clicks: 1, at }))
    for (const sink of ['table', 'lines']) expectRows(sink, running.sink(sink).rows(), plain)
    for (const sink of ['too-late', 'late-clicks']) expect(running.sink(sink).rows()).toEqual([])
  },
)

const project = new Project()
afterAll(() => project.remove())

/** Runs a job in a folder of its own, in which the input lies. */
async function run(folder: string, text: string): Promise<string> {
  for (const [path, content] of Object.entries(answers.files())) {
    project.write(`${folder}/${path}`, content)
  }
  project.write(`${folder}/job.ts`, text)
  const args = ['run', 'job.ts', '--parallelism', '2']
  const ended = await project.start(args, {}, project.path(folder)).ended
  expect(ended.exitCode, ended.stderr).toBe(0)
  return ended.stdout
}

test('blocks about sources and sinks give what a plain loop gives', async () => {
  const streams = `const clicks = timed('all-clicks', AnyClick).pick('user', 'url', 'at')`
  const printed = await run('files', jobOf('files', streams))
  for (const [name, wanted] of Object.entries(answers.ofFiles())) {
    expectRows(name, parsed(rows(project.path('files/collected', name))), wanted)
  }
  const bad = rows(project.path('files/out/bad-orders'))
  const told = bad.map(({ source, code, offset }) => [source, code, Number(offset)])
  expect(told).toEqual(answers.BAD_ORDERS)

  const { length } = answers.clicks
  expect(rows(project.path('files/out/lines'))).toHaveLength(length)
  expect(printed.match(/^clicks.*"user"/gm)).toHaveLength(length)
  const lake = `read_parquet('${project.path('files/out/clicks')}/*/*.parquet')`
  const days = await query(`SELECT day::VARCHAR, count(*) FROM ${lake} GROUP BY 1 ORDER BY 1`)
  expect(days.map(([day, count]) => [day, Number(count)])).toEqual(answers.clicksPerDay())

  const made = parsed(rows(project.path('files/collected/made-up'))) as {
    index: number
    dice: number
  }[]
  const indices = made.map(({ index }) => index).sort((left, right) => left - right)
  expect(indices).toEqual(Array.from({ length: 1_000 }, (_, index) => index))
  expect([...new Set(made.map(({ dice }) => dice))].sort()).toEqual([1, 2, 3, 4, 5, 6])
})

test('the word count of getting started gives what a plain loop gives', async () => {
  const shown = code.find(({ body }) => body.includes("defineJob('word-count'"))!
  const printed = await run('words', shown.text)
  // Each record gives the new count of its word: the greatest is the last.
  const counted = new Map<string, number>()
  for (const [, key, words] of printed.matchAll(/"key":"(\p{L}+)","words":(\d+)/gu)) {
    counted.set(key!, Math.max(Number(words), counted.get(key!) ?? 0))
  }
  expect(counted).toEqual(answers.wordCount())
})

test('the mended job of the page on chaos lets each payment pass once', async () => {
  const shown = code.find(({ body }) => body.includes("defineJob('broken-on-purpose'"))!
  const running = await testJob(load(shown.text), { parallelism: 2 })
  await running.source('payments').send(...answers.paymentsSent())
  await running.finish()
  expectRows('payments', running.sink('files').rows(), answers.paymentsOnce())
})

test('runJob of the page on testing runs a job to its end, and once only', () => {
  const shown = code.find(({ body }) => body.includes('await runJob('))!
  const job = readFileSync(join(ROOT, 'examples/10-broken-on-purpose.ts'), 'utf8')
  project.write('embedded/job.ts', job)
  project.write('embedded/shown.mjs', shown.text)
  const cwd = project.path('embedded')
  const { length } = answers.paymentsOnce()
  for (const status of ['finished', 'finished before']) {
    const ended = spawnSync(process.execPath, ['shown.mjs'], { cwd, encoding: 'utf8' })
    expect(ended.status, `${status}: ${ended.stderr}`).toBe(0)
    expect(ended.stdout).toBe(`5000 ${length} 0\n`)
    expect(rows(join(cwd, 'out/test'))).toHaveLength(length)
  }
})
