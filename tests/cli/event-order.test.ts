/**
 * Event-time order through the command line: real files, worker threads, rings between them; and
 * late records that nobody reads, which are told.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { ROOT } from '../millrace.ts'
import { rows, startChecked, test, until } from './process.ts'

const VISITS = `
import { boundedOutOfOrderness, count, defineJob, int32, minutes, session } from 'millrace'
import { struct, timestamp, utf8, valueState } from 'millrace'
import { fileSink, fileSource, json } from 'millrace/connectors'
const Click = struct({ user: utf8(), url: utf8(), at: timestamp() })
const Visit = struct({ user: utf8(), clicks: int32(), endedAt: timestamp() })
export default defineJob('visits', (env) => {
  env.checkpointing({ everyMs: 50 })
  const clicks = env
    .fromSource('clicks', fileSource({ path: './clicks', format: json(Click) }))
    .assignTimestampsAndWatermarks('at', boundedOutOfOrderness(minutes(5)))
    .keyBy('user')
  clicks.process('visits', {
    emits: Visit,
    order: 'event-time',
    state: { clicks: valueState(int32(), { default: 0 }), end: valueState(timestamp()) },
    onRecord(click, { state, timers }) {
      const before = state.end.value()
      if (before !== undefined) timers.deleteEventTimeTimer(before)
      state.end.update(click.at + minutes(30))
      timers.registerEventTimeTimer(click.at + minutes(30))
      state.clicks.update(state.clicks.value() + 1)
    },
    onTimer(endedAt, { key, state, emit }) {
      emit({ user: key, clicks: state.clicks.value(), endedAt })
      state.clicks.clear()
      state.end.clear()
    },
  }).sinkTo('visits-out', fileSink({ directory: './out/visits', schema: Visit }))
  clicks.window(session(minutes(30))).aggregate('sessions', { clicks: count() })
    .map(({ user, clicks, windowEnd }) => ({ user, clicks, endedAt: windowEnd }))
    .sinkTo('sessions-out', fileSink({ directory: './out/sessions', schema: Visit }))
})
`

test('the visits of several files are those of session windows, at parallelism 3', async ({
  project,
}) => {
  const lines = readFileSync(join(ROOT, 'examples/data/clicks.jsonl'), 'utf8').trim().split('\n')
  for (const part of [0, 1, 2, 3]) {
    const mine = lines.filter((_, index) => index % 4 === part)
    project.write(`clicks/${part}.jsonl`, `${mine.join('\n')}\n`)
  }
  project.write('job.ts', VISITS)
  const ended = await project.run(['run', 'job.ts', '--parallelism', '3'])
  expect(ended.exitCode, ended.stderr).toBe(0)
  const texts = (folder: string): string[] =>
    rows(project.path(folder))
      .map((row) => JSON.stringify([row['user'], row['clicks'], row['endedAt']]))
      .sort()
  expect(texts('out/visits')).toHaveLength(194)
  expect(texts('out/visits')).toEqual(texts('out/sessions'))
})

test('late records that nobody reads are told, by step, and counted', async ({ project }) => {
  const at = (n: number): string => JSON.stringify({ key: 'a', at: n })
  const onTime = Array.from({ length: 4_000 }, (_, n) => 10_000 + n)
  project.write('in.jsonl', `${[...onTime, 1_000, 2_000, 20_000].map(at).join('\n')}\n`)
  project.write(
    'job.ts',
    `
import { count, defineJob, monotonous, seconds, struct, timestamp, tumbling, utf8 } from 'millrace'
import { fileSource, json, printSink } from 'millrace/connectors'
const Row = struct({ key: utf8(), at: timestamp() })
export default defineJob('late', (env) => {
  const keyed = env
    .fromSource('rows', fileSource({ path: './in.jsonl', format: json(Row) }))
    .assignTimestampsAndWatermarks('at', monotonous())
    .keyBy('key')
  keyed.process('ordered', { emits: Row, order: 'event-time', onRecord: (row, { emit }) => emit(row) })
    .sinkTo('a', printSink())
  keyed.window(tumbling(seconds(1))).aggregate('counts', { n: count() }).sinkTo('b', printSink())
})
`,
  )
  const ended = await project.run(['run', 'job.ts', '--parallelism', '1'])
  expect(ended.exitCode, ended.stderr).toBe(0)
  expect(ended.stderr).toMatch(/warn records behind the watermark are dropped +operator=ordered/)
  expect(ended.stderr).toMatch(/warn records behind the watermark are dropped +operator=counts/)
  expect(ended.stderr).toContain('4 late and dropped')
})

test('a step leaves event-time order only when no record waits, or knowingly', async ({
  project,
}) => {
  const job = (order: string): string => `
import { boundedOutOfOrderness, defineJob, hours, struct, timestamp, utf8 } from 'millrace'
import { fileSink, fileSource, json } from 'millrace/connectors'
const Row = struct({ key: utf8(), at: timestamp() })
export default defineJob('switched', (env) => {
  env.checkpointing({ everyMs: 50 })
  env.fromSource('rows', fileSource({ path: './in', format: json(Row), watch: true }))
    .assignTimestampsAndWatermarks('at', boundedOutOfOrderness(hours(1)))
    .keyBy('key')
    .process('copy', { emits: Row, ${order} onRecord: (row, { emit }) => emit(row) })
    .sinkTo('out', fileSink({ directory: './out', schema: Row }))
})
`
  const ordered = job("order: 'event-time',")
  const times = [0, 5_000, 7_200_000]
  const lines = times.map((at) => `${JSON.stringify({ key: 'a', at })}\n`)
  project.write('in/rows.jsonl', lines.join(''))
  const args = ['run', 'job.ts', '--parallelism', '2']
  const stopped = async (more: readonly string[] = []): Promise<void> => {
    const run = await startChecked(project, [...args, ...more], {}, '.millrace/switched')
    await until('the first two rows are out', () => rows(project.path('out')).length >= 2)
    expect((await project.run(['stop', 'switched'])).exitCode).toBe(0)
    expect((await run.ended).exitCode).toBe(0)
  }
  project.write('job.ts', ordered)
  await stopped()

  project.write('job.ts', job(''))
  const refused = await project.run(args)
  expect([refused.exitCode, refused.stderr]).toEqual([
    3,
    expect.stringMatching(/STATE_NOT_DECLARED[\s\S]*records of "copy" wait for their event time/),
  ])
  // What the hint names works, and then nothing waits: the order may be taken up again.
  await stopped(['--drop-state', 'copy:order'])
  project.write('job.ts', ordered)
  await stopped()
  expect(rows(project.path('out')).map(({ at }) => at)).toEqual([0, 5_000])
})

/** Limits by shop from a time on, and orders; `step` says how they meet. */
const limits = (order: string, source: string): string => `
import { boundedOutOfOrderness, defineJob, hours, int32, mapState } from 'millrace'
import { struct, timestamp, utf8 } from 'millrace'
import { fileSink, fileSource, json } from 'millrace/connectors'
const Order = struct({ id: int32(), shop: utf8(), at: timestamp() })
const Limit = struct({ shop: utf8(), limit: int32(), at: timestamp() })
const Row = struct({ id: int32(), limit: int32() })
export default defineJob('limited', (env) => {
  env.checkpointing({ everyMs: 50 })
  const limits = env
    .fromSource('limits', fileSource({ path: './limits', format: json(Limit)${source} }))
    .assignTimestampsAndWatermarks('at', boundedOutOfOrderness(hours(1)))
    .broadcast()
  env.fromSource('orders', fileSource({ path: './orders', format: json(Order)${source} }))
    .assignTimestampsAndWatermarks('at', boundedOutOfOrderness(hours(1)))
    .keyBy('shop')
    .connect(limits)
    .process('check', {
      emits: Row,
      ${order}
      broadcast: { limits: mapState(utf8(), int32()) },
      onRecord: ({ id, shop }, { broadcast, emit }) =>
        emit({ id, limit: broadcast.limits.get(shop) ?? -1 }),
      onBroadcast: ({ shop, limit }, { broadcast }) => broadcast.limits.put(shop, limit),
    })
    .sinkTo('out', fileSink({ directory: './out', schema: Row }))
})
`
const ORDERED = "order: 'event-time',"
const MINUTE_MS = 60_000
const shopOf = (n: number): string => `shop-${(n * 7) % 5}`

test('an order sees the limits up to its time, over worker threads', async ({ project }) => {
  const limitsAt = Array.from({ length: 300 }, (_, n) => ({
    shop: shopOf(n),
    limit: n,
    at: (n + ((n * 13) % 20)) * MINUTE_MS,
  }))
  const orders = Array.from({ length: 4_000 }, (_, id) => ({
    id,
    shop: shopOf(id * 3),
    at: Math.floor(id / 13 + ((id * 11) % 30)) * MINUTE_MS,
  }))
  for (const [folder, all] of [
    ['limits', limitsAt],
    ['orders', orders],
  ] as const) {
    for (const part of [0, 1, 2]) {
      const mine = all.filter((_, n) => n % 3 === part).map((row) => JSON.stringify(row))
      project.write(`${folder}/${part}.jsonl`, `${mine.join('\n')}\n`)
    }
  }
  project.write('job.ts', limits(ORDERED, ''))
  const ended = await project.run(['run', 'job.ts', '--parallelism', '3'])
  expect(ended.exitCode, ended.stderr).toBe(0)
  // Files in the order of their names, then lines: what comes last of a time holds.
  const inOrder = [0, 1, 2].flatMap((part) => limitsAt.filter((_, n) => n % 3 === part))
  const sorted = inOrder.toSorted((left, right) => left.at - right.at)
  const limitOf = (shop: string, at: number): number =>
    sorted.findLast((limit) => limit.shop === shop && limit.at <= at)?.limit ?? -1
  const texts = rows(project.path('out')).map(({ id, limit }) => `${String(id)} ${String(limit)}`)
  const wanted = orders.map(({ id, shop, at }) => `${id} ${limitOf(shop, at)}`)
  expect(texts.sort()).toEqual(wanted.sort())
})

test('a step with a broadcast stream leaves event-time order when nothing waits, or by the hints', async ({
  project,
}) => {
  const line = (at: number, more: object): string =>
    `${JSON.stringify({ shop: 'a', at: at * MINUTE_MS, ...more })}\n`
  // The watermark comes to one hour: the second limit and the second order wait.
  project.write('limits/0.jsonl', line(30, { limit: 1 }) + line(120, { limit: 2 }))
  project.write('orders/0.jsonl', line(45, { id: 1 }) + line(120, { id: 2 }))
  const args = ['run', 'job.ts', '--parallelism', '2']
  const stopped = async (more: readonly string[], count: number): Promise<void> => {
    const run = await startChecked(project, [...args, ...more], {}, '.millrace/limited')
    await until('the rows are out', () => rows(project.path('out')).length >= count)
    const ended = await project.run(['stop', 'limited'])
    expect(ended.exitCode, ended.stderr).toBe(0)
    expect((await run.ended).exitCode).toBe(0)
  }
  project.write('job.ts', limits(ORDERED, ', watch: true'))
  await stopped([], 1)

  const { stdout } = await project.run(['inspect', 'limited'])
  expect(stdout).toContain('(broadcast-order): 1 subtask, state: waiting records (broadcast) (map)')
  // Copies of one watermark are equal, and each can be read.
  const sound = await project.run(['chaos', 'fsck', 'limited'])
  expect([sound.exitCode, sound.stdout]).toEqual([0, expect.stringContaining('sound')])

  project.write('job.ts', limits('', ', watch: true'))
  const drops: string[] = []
  for (const dropped of ['check.broadcast', 'check:order']) {
    const refused = await project.run([...args, ...drops])
    expect([refused.exitCode, refused.stderr]).toEqual([
      3,
      expect.stringMatching(/STATE_NOT_DECLARED[\s\S]*wait/),
    ])
    expect(refused.stderr).toMatch(new RegExp(`--drop-state ${dropped}\\.$`, 'm'))
    drops.push('--drop-state', dropped)
  }
  await stopped(drops, 1)
  project.write('job.ts', limits(ORDERED, ', watch: true'))
  await stopped([], 1)
  expect(rows(project.path('out'))).toEqual([{ id: 1, limit: 1 }])
})
