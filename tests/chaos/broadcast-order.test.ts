/**
 * A keyed stream with a broadcast one, in event-time order: a record sees exactly the rules up to
 * its time, as a plain loop over the sorted input does, however the inputs are cut, paced and
 * served, at any parallelism and through changes of it.
 */
import { dirname } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  boundedOutOfOrderness,
  defineJob,
  int32,
  mapState,
  millis,
  monotonous,
  struct,
  timestamp,
  utf8,
} from 'millrace'
import type { BroadcastStream, DataStream, Job, Key, MapState } from 'millrace'
import { fileSink, fileSource, generatorSource, json } from 'millrace/connectors'
import type { BroadcastProcess } from '../../operators/process.ts'
import type { StateDeclaration } from '../../operators/states.ts'
import type { ScheduleRun } from '../../engine/chaos/schedule-run.ts'
import type { Way } from '../../engine/chaos/arrival.ts'
import type { Fault, RecordFlow } from '../../engine/faults/schedule.ts'
import { goldenOf, publishedBy, type Subject } from '../../engine/chaos/subject.ts'
import { simulateSchedule } from '../../engine/chaos/simulate-schedule.ts'
import { makeDirectories, writeDurably } from '../../engine/base/files.ts'
import { seededRandom } from '../../engine/base/random.ts'

const SLACK = 60
const dice = seededRandom(23)

const Event = struct({ user: utf8(), id: int32(), at: timestamp() })
type Event = { readonly user: string; readonly id: number; readonly at: number }
/** Sets the limit of a group from its time on; 0 takes it away. */
const Rule = struct({ group: utf8(), limit: int32(), at: timestamp() })
type Rule = { readonly group: string; readonly limit: number; readonly at: number }
/** All limits that a call sees, in the order in which they were made. */
const Late = struct({ n: int32() })
const Seen = struct({ user: utf8(), id: int32(), at: timestamp(), limits: utf8() })
type Seen = Event & { readonly limits: string }

const atOf = (n: number, stepMs: number): number =>
  1_000_000 + n * stepMs - (dice.int(8) === 0 ? dice.int(SLACK) : dice.int(20))

/** Times fall on tens: many records and rules have the same one. */
const tens = (ms: number): number => Math.floor(ms / 10) * 10

const events: readonly (readonly Event[])[] = [0, 1].map((file) =>
  Array.from({ length: 150 }, (_, n) => ({
    user: `user-${dice.int(6)}`,
    id: n * 2 + file,
    at: tens(atOf(n, 10)),
  })),
)
const rules: readonly (readonly Rule[])[] = [0, 1, 2].map((file) =>
  Array.from({ length: 40 }, (_, n) => ({
    group: `group-${dice.int(4)}`,
    limit: dice.int(5) === 0 ? 0 : n * 3 + file + 1,
    at: tens(atOf(n, 38)),
  })),
)
const text = (rows: readonly object[]): string =>
  rows.map((row) => `${JSON.stringify(row)}\n`).join('')
const files = Object.fromEntries([
  ...events.map((rows, file) => [`/in/events/${file}.jsonl`, text(rows)]),
  ...rules.map((rows, file) => [`/in/rules/${file}.jsonl`, text(rows)]),
]) as Record<string, string>

const limitsOf = (entries: Iterable<readonly [Key, number]>): string =>
  [...entries].map(([group, limit]) => `${group as string}=${limit}`).join(' ')

const TIMER_MS = 35

const check: BroadcastProcess<
  Event,
  Rule,
  string,
  Seen,
  {},
  { readonly limits: StateDeclaration<MapState<string, number>> },
  {},
  'event-time'
> = {
  emits: Seen,
  order: 'event-time',
  broadcast: { limits: mapState(utf8(), int32()) },
  onRecord({ user, id, at }, { broadcast, emit, timers }) {
    emit({ user, id, at, limits: limitsOf(broadcast.limits.entries()) })
    if (id % 7 === 0) timers.registerEventTimeTimer(at + TIMER_MS)
  },
  onTimer(at, { key, broadcast, emit }) {
    emit({ user: key, id: -1, at, limits: limitsOf(broadcast.limits.entries()) })
  },
  onBroadcast({ group, limit }, { broadcast }) {
    if (limit === 0) broadcast.limits.remove(group)
    else broadcast.limits.put(group, limit)
  },
}

function checkedTo(timed: DataStream<Event>, changes: BroadcastStream<Rule>): void {
  const checked = timed.keyBy('user').connect(changes).process('check', check)
  checked.sinkTo('seen', fileSink({ directory: '/out/seen', schema: Seen }))
  checked
    .sideOutput('late')
    .map(() => ({ n: 1 }))
    .sinkTo('late', fileSink({ directory: '/out/late', schema: Late }))
}

const job = defineJob('rules', (env) => {
  env.checkpointing({ everyMs: 20 })
  const read = <T>(name: string, format: ReturnType<typeof json<T>>) =>
    env.fromSource(name, fileSource({ path: `/in/${name}/*`, format }))
  const changes = read('rules', json(Rule))
    .assignTimestampsAndWatermarks('at', boundedOutOfOrderness(millis(SLACK)))
    .broadcast()
  const timed = read('events', json(Event)).assignTimestampsAndWatermarks(
    'at',
    boundedOutOfOrderness(millis(SLACK)),
  )
  checkedTo(timed, changes)
})

/** Rules by (time, file, line), each before the records of its time. */
function expectedOf(records: readonly Event[], changes: readonly Rule[]): readonly string[] {
  const sorted = changes.toSorted((left, right) => left.at - right.at)
  const limitsAt = (at: number): string => {
    const limits = new Map<string, number>()
    for (const { group, limit, at: from } of sorted) {
      if (from > at) break
      if (limit === 0) limits.delete(group)
      else limits.set(group, limit)
    }
    return limitsOf(limits)
  }
  const timers = new Map<string, Event>()
  for (const { user, id, at } of records) {
    const timer = { user, id: -1, at: at + TIMER_MS }
    if (id % 7 === 0) timers.set(`${user} ${timer.at}`, timer)
  }
  return [...records, ...timers.values()]
    .map((row) => rowText({ ...row, limits: limitsAt(row.at) }))
    .sort()
}

const rowText = ({ user, id, at, limits }: Seen): string => JSON.stringify([user, id, at, limits])
const rowsOf = (published: readonly string[] | undefined): readonly string[] =>
  (published ?? []).map((row) => rowText(JSON.parse(row.slice(row.indexOf('{'))) as Seen)).sort()

const cuts: readonly RecordFlow[] = [
  {},
  { batchRecords: 1, pollMs: 1 },
  { batchRecords: 7, pollMs: 2, uneven: true },
  { batchRecords: 40, uneven: true },
  { batchRecords: 3, pollMs: 5 },
]

const expected = expectedOf(events.flat(), rules.flat())

const subject: Subject = {
  name: 'rules',
  job,
  parameters: {},
  workers: 2,
  prepare: async (disk) => {
    for (const [path, content] of Object.entries(files)) {
      await makeDirectories(disk, dirname(path))
      const target = { replace: false, temporary: `${path}.tmp` }
      await writeDurably(disk, path, Buffer.from(content), target)
    }
  },
}

describe.each([1, 2, 3, 4])('rules in their place, at parallelism %i', (parallelism) => {
  test('however the inputs are cut, paced and served', async () => {
    for (const [index, flow] of cuts.entries()) {
      const way: Way = { seed: 10 * parallelism + index, parallelism, flow }
      const { published } = await goldenOf(subject, way)
      expect(rowsOf(published['seen']), JSON.stringify(way)).toEqual(expected)
      expect(published['late'] ?? []).toEqual([])
    }
  })
})

/**
 * Restores at another parallelism, where the subtasks' watermarks differ at the barrier: one input
 * turns idle and comes back, each time with records that are on time for everybody.
 */
const T0 = 1_000_000
const busy = Array.from({ length: 240 }, (_, n): Event => ({
  user: `user-${(n * 7) % 11}`,
  id: n,
  at: T0 + n * 2,
}))
const pausing = Array.from({ length: 11 }, (_, n): Event => ({
  user: `user-${n}`,
  id: 1_000 + n,
  at: T0 + n * 50 + 500,
}))
const limits = Array.from({ length: 60 }, (_, n): Rule => ({
  group: `group-${n % 5}`,
  limit: n % 3,
  at: T0 + n * 8,
}))

const idling = defineJob('idling', (env) => {
  env.checkpointing({ everyMs: 15 })
  const read = <T extends { readonly at: number }>(uid: string, rows: readonly T[], pace: number) =>
    env.fromSource(
      uid,
      generatorSource({ records: rows.length, perSecond: pace, generate: (n) => rows[n]! }),
    )
  const changes = read('limits', limits, 125)
    .assignTimestampsAndWatermarks('at', monotonous())
    .broadcast()
  const timed = read('busy', busy, 500)
    .assignTimestampsAndWatermarks('at', boundedOutOfOrderness(millis(2)))
    .union(
      read('pausing', pausing, 20).assignTimestampsAndWatermarks(
        'at',
        boundedOutOfOrderness(millis(600)).withIdleness(millis(20)),
      ),
    )
  checkedTo(timed, changes)
})

/** Indices of a run's checkpoints at whose barrier the subtasks of the step had other watermarks. */
function unevenCheckpoints({ history }: ScheduleRun): readonly number[] {
  return [...history.manifests.entries()].flatMap(([index, { manifest }]) => {
    const { subtasks } = manifest.operators.find(({ uid }) => uid === 'check')!
    return new Set(subtasks.map(({ watermarkMs }) => watermarkMs)).size > 1 ? [index] : []
  })
}

test('restored at other parallelisms, from subtasks at different watermarks', async () => {
  const wanted = expectedOf([...busy, ...pausing], limits)
  let restores = 0
  for (let seed = 1; seed <= 8; seed += 1) {
    const run = (parallelism: number, faults: readonly Fault[]): Promise<ScheduleRun> => {
      const schedule = { seed, parallelism, faults }
      return simulateSchedule({ job: idling, parameters: {}, schedule, workers: 2 })
    }
    const before = 2 + (seed % 3)
    for (const index of unevenCheckpoints(await run(before, [])).slice(0, 1)) {
      for (const parallelism of [1, before, 4]) {
        const action = { type: 'rescale', parallelism } as const
        const fault = { point: 'coordinator.commit', nth: index + 1, life: 1, action } as const
        const restored = await run(before, [fault])
        const { lives, fired } = restored
        const said = `seed ${seed}, checkpoint ${index}, ${before} → ${parallelism}`
        expect([fired, lives.at(-1)!.ended.type], said).toEqual([[0], 'finished'])
        const published = await publishedBy(restored)
        expect(published['late'] ?? [], said).toEqual([])
        expect(rowsOf(published['seen']), said).toEqual(wanted)
        restores += 1
      }
    }
  }
  expect(restores).toBeGreaterThan(5)
})

/** Both inputs turn idle again and again; rules come out of order, also behind a silence. */
function restless(onBroadcast: (typeof check)['onBroadcast']): Job {
  const changes = limits.map((rule, n) => ({ ...rule, at: rule.at - ((n * 17) % 60) }))
  return defineJob('restless', (env) => {
    env.checkpointing({ everyMs: 7 })
    const read = <T extends Event | Rule>(uid: string, rows: readonly T[], pace: number) =>
      env
        .fromSource(
          uid,
          generatorSource({ records: rows.length, perSecond: pace, generate: (n) => rows[n]! }),
        )
        .assignTimestampsAndWatermarks(
          ({ at }) => at,
          boundedOutOfOrderness(millis(60)).withIdleness(millis(4)),
        )
    read('busy', busy, 500)
      .keyBy('user')
      .connect(read('limits', changes, 100).broadcast())
      .process('check', { ...check, onBroadcast })
      .sinkTo('seen', fileSink({ directory: '/out/seen', schema: Seen }))
  })
}

async function livesOf(job: Job, seed: number): Promise<readonly string[]> {
  const random = seededRandom(seed)
  const faults = [1, 2].map((life): Fault => {
    const point = (['coordinator.commit', 'task.batch', 'task.watermark'] as const)[random.int(3)]!
    const action = { type: 'rescale', parallelism: 1 + random.int(4) } as const
    return { point, nth: 4 + random.int(12), life, action }
  })
  const schedule = { seed, parallelism: 2 + (seed % 3), faults }
  const { lives } = await simulateSchedule({ job, parameters: {}, schedule, workers: 2 })
  return lives.map(({ ended }) => JSON.stringify(ended))
}

test('copies stay equal while inputs turn idle and come back; those that differ are told', async () => {
  const plain = restless((rule, context) => check.onBroadcast(rule, context))
  for (let seed = 1; seed <= 8; seed += 1) {
    const ended = await livesOf(plain, seed)
    expect(ended.at(-1), `seed ${seed}: ${ended.join(' ')}`).toContain('"finished"')
  }
  let calls = 0
  const differs = restless(({ group }, { broadcast }) => {
    calls += 1
    broadcast.limits.put(group, calls)
  })
  expect((await livesOf(differs, 1)).join(' ')).toContain('BROADCAST_DIVERGED')
})
