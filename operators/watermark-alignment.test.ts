/** Sources that run far ahead of those they meet: who is aligned with whom, and whole jobs. */
import { describe, expect, test } from 'vitest'
import type { DataStream, KeyedStream, StreamEnvironment, WatermarkStrategy } from './index.ts'
import { alignedSources, alignmentSlots } from '../engine/graph/alignment.ts'
import { toJobGraph } from '../engine/graph/chaining.ts'
import { stepWords } from '../engine/graph/step-words.ts'
import { sinkOf } from '../engine/operator/sink.ts'
import { sourceOf } from '../engine/operator/source.ts'
import { testJob } from '../engine/testing/test-job.ts'
import { graphOf, sink, source } from './testing.ts'
import {
  boundedOutOfOrderness,
  count,
  defineJob,
  int32,
  listState,
  mapState,
  minutes,
  monotonous,
  seconds,
  struct,
  timestamp,
  tumbling,
  utf8,
} from './index.ts'

const Row = struct({ user: utf8(), n: int32(), at: timestamp() })
interface Row {
  readonly user: string
  readonly n: number
  readonly at: number
}
const sinkFor = () => sinkOf<unknown>(sink() as never)
const rowsOf = (env: StreamEnvironment, uid: string): DataStream<Row> =>
  env.fromSource(uid, sourceOf<Row>(source(Row)))

/** Both in event-time order: all that has come, by user. */
function ordered(stream: KeyedStream<Row, string, 'user'>, uid: string): DataStream<Row> {
  return stream.process(uid, {
    emits: Row,
    order: 'event-time',
    onRecord(row, { emit }) {
      emit(row)
    },
  })
}

describe('which sources are aligned', () => {
  const times = monotonous()
  const found = (build: (env: StreamEnvironment) => void, parallelism = 2) =>
    alignedSources(toJobGraph(graphOf(build), parallelism)).map(({ vertex, bounds, peers }) => ({
      source: vertex.chain[0]!.uid,
      ...bounds,
      peers: peers.map((peer) => peer.vertex.chain[0]!.uid),
    }))
  const keyed = (env: StreamEnvironment, uid: string, strategy = times) =>
    rowsOf(env, uid).assignTimestampsAndWatermarks('at', strategy).keyBy('user')
  const standard = { maxDriftMs: 60_000, readAheadBytes: 16 * 1_024 * 1_024 }

  test('those that meet where records wait for event time, with the bounds of the guide', () => {
    const job = (env: StreamEnvironment): void => {
      const bounds = { lower: minutes(-1), upper: minutes(1) }
      const left = keyed(env, 'left')
      left
        .intervalJoin('join', keyed(env, 'right'), bounds, (row) => row)
        .sinkTo('joined', sinkFor())
      ordered(keyed(env, 'alone'), 'in-order').sinkTo('out', sinkFor())
    }
    expect(found(job)).toEqual([
      { source: 'left', ...standard, peers: ['left', 'right'] },
      { source: 'right', ...standard, peers: ['left', 'right'] },
      { source: 'alone', ...standard, peers: ['alone'] },
    ])
    expect(alignmentSlots(alignedSources(toJobGraph(graphOf(job), 3)))).toBe(9)
  })

  test('windows only where a source asks for it; one that is off is left out', () => {
    const windows = (left: WatermarkStrategy, right = times, third = times) =>
      found((env) => {
        const stream = (uid: string, strategy: WatermarkStrategy): DataStream<Row> =>
          rowsOf(env, uid).assignTimestampsAndWatermarks('at', strategy)
        stream('left', left)
          .union(stream('right', right), stream('third', third))
          .keyBy('user')
          .window(tumbling(minutes(1)))
          .aggregate('counts', { n: count() })
          .sinkTo('out', sinkFor())
      })
    expect(windows(times)).toEqual([])
    const asked = times.withWatermarkAlignment({ maxDrift: minutes(5) }).withIdleness(minutes(1))
    expect(windows(asked, times, times.withWatermarkAlignment('off'))).toEqual([
      { source: 'left', ...standard, maxDriftMs: 300_000, peers: ['left', 'right'] },
      { source: 'right', ...standard, peers: ['left', 'right'] },
    ])
    expect(windows(asked.withWatermarkAlignment('off'))).toEqual([])
  })

  test('no source whose times are assigned behind an exchange, nor one without times', () => {
    expect(
      found((env) => {
        const late = rowsOf(env, 'late')
          .rebalance()
          .map((row) => row)
          .assignTimestampsAndWatermarks('at', times)
        ordered(late.keyBy('user'), 'in-order').sinkTo('out', sinkFor())
        rowsOf(env, 'timeless').sinkTo('copy', sinkFor())
      }),
    ).toEqual([])
  })
})

test('explain shows what a strategy asks for', () => {
  const words = (strategy: WatermarkStrategy) => {
    const graph = graphOf((env) => {
      rowsOf(env, 'in').assignTimestampsAndWatermarks('at', strategy).sinkTo('out', sinkFor())
    })
    return stepWords(graph.nodes.find(({ kind }) => kind === 'watermarks')!)[1]
  }
  const asked = monotonous().withWatermarkAlignment({ maxDrift: minutes(5), readAheadMb: 1.5 })
  expect(words(asked)).toBe(
    'in order of time, paused when 5 min and 1.5 MiB ahead of other sources',
  )
  expect(words(asked.withWatermarkAlignment('off'))).toBe(
    'in order of time, not aligned with other sources',
  )
  expect(words(monotonous())).toBe('in order of time')
})

test('nonsense is refused, with what to write instead', () => {
  const given = (alignment: unknown) => () =>
    monotonous().withWatermarkAlignment(alignment as never)
  const cases: readonly (readonly [unknown, string])[] = [
    [undefined, 'withWatermarkAlignment was given undefined'],
    [null, 'withWatermarkAlignment was given null'],
    [minutes(1), 'withWatermarkAlignment was given 60000'],
    ['on', "withWatermarkAlignment was given 'on'"],
    [[], 'withWatermarkAlignment was given []'],
    [{ maxDriftMs: 5 }, 'withWatermarkAlignment has no option "maxDriftMs"'],
    [{ maxDrift: -1 }, 'maxDrift of withWatermarkAlignment is -1'],
    [{ maxDrift: 0.5 }, 'maxDrift of withWatermarkAlignment is 0.5'],
    [{ maxDrift: NaN }, 'maxDrift of withWatermarkAlignment is NaN'],
    [{ maxDrift: '1m' }, "maxDrift of withWatermarkAlignment is '1m'"],
    [{ maxDrift: null }, 'maxDrift of withWatermarkAlignment is null'],
    [{ readAheadMb: 0 }, 'readAheadMb of withWatermarkAlignment is 0'],
    [{ readAheadMb: Infinity }, 'readAheadMb of withWatermarkAlignment is Infinity'],
    [{ readAheadMb: '32' }, "readAheadMb of withWatermarkAlignment is '32'"],
  ]
  for (const [alignment, message] of cases) {
    expect(given(alignment), message).toThrow(
      expect.objectContaining({ code: 'OPTION_INVALID', message }),
    )
  }
  expect(given({})).not.toThrow()
  expect(given({ maxDrift: 0, readAheadMb: 0.5 })).not.toThrow()
  for (const after of [0, -1, 1.5, NaN, '1m', undefined]) {
    expect(() => monotonous().withIdleness(after as never)).toThrow(
      expect.objectContaining({ code: 'OPTION_INVALID' }),
    )
  }
})

/** A batch of a test's source has at most so many records, and is read whole. */
const BATCH = 1_024
const strict = boundedOutOfOrderness(seconds(1)).withWatermarkAlignment({
  maxDrift: minutes(1),
  readAheadMb: 0.001,
})

/** One row a second. */
function rows(from: number, to: number, user = 'u'): readonly Row[] {
  return Array.from({ length: to - from }, (_, index) => {
    const n = from + index
    return { user: `${user}${n % 3}`, n, at: n * 1_000 }
  })
}

describe('a source that is far ahead', () => {
  const joined = (left: WatermarkStrategy, right: WatermarkStrategy) =>
    defineJob('joined', (env) => {
      const stream = (uid: string, strategy: WatermarkStrategy) => {
        const read = rowsOf(env, uid)
        read.sinkTo(`${uid}-read`, sinkFor())
        return read.assignTimestampsAndWatermarks('at', strategy).keyBy('user')
      }
      stream('left', left)
        .intervalJoin(
          'join',
          stream('right', right),
          { lower: seconds(-2), upper: seconds(2) },
          (a, b) => ({ user: a.user, n: a.n, other: b.n }),
        )
        .sinkTo('out', sinkFor())
    })

  test('is not read on until the slow one is near', async () => {
    const job = await testJob(joined(strict, strict), { parallelism: 2 })
    const read = (uid: string) => job.sink(`${uid}-read`).rows().length
    await job.source('right').send(...rows(0, 1))
    await job.source('left').send(...rows(0, 4 * BATCH))
    expect(read('left')).toBe(BATCH)
    await job.source('right').send(...rows(1, 500))
    expect(read('left')).toBe(BATCH)
    await job.source('right').send(...rows(500, BATCH))
    expect(read('left')).toBe(2 * BATCH)
    await job.source('right').send(...rows(BATCH, 4 * BATCH))
    expect(read('left')).toBe(4 * BATCH)
    expect(read('right')).toBe(4 * BATCH)
    await job.finish()
    const pairs = job.sink<{ n: number; other: number }>('out').rows()
    // Of the rows within two seconds only the row itself has the same user.
    expect(pairs.map(({ n }) => n).sort((a, b) => a - b)).toEqual(
      rows(0, 4 * BATCH).map(({ n }) => n),
    )
    expect(pairs.every(({ n, other }) => n === other)).toBe(true)
  })

  test('is read when it is off, and makes nobody wait then', async () => {
    const off = strict.withWatermarkAlignment('off')
    const job = await testJob(joined(strict, off))
    await job.source('right').send(...rows(0, 1))
    await job.source('left').send(...rows(0, 5 * BATCH))
    expect(job.sink('left-read').rows()).toHaveLength(5 * BATCH)
    await job.close()
  })

  test('is read when the slow one turns idle, and is not idle itself while it waits', async () => {
    const patient = strict.withIdleness(seconds(2))
    const job = await testJob(joined(patient, strict.withIdleness(seconds(20))))
    const read = () => job.sink('left-read').rows().length
    await job.source('right').send(...rows(0, 1))
    await job.source('left').send(...rows(0, 3 * BATCH))
    expect(read()).toBe(BATCH)
    await job.advance(seconds(15))
    expect(read()).toBe(BATCH)
    // Had the left one become idle, these would be late by its watermark's leap to the right one.
    await job.source('right').send(...rows(1, 2 * BATCH))
    await job.advance(seconds(25))
    expect(read()).toBe(3 * BATCH)
    await job.finish()
    expect(job.sink('out').rows()).toHaveLength(2 * BATCH)
  })

  test('is read when the slow one has ended', async () => {
    const job = await testJob(joined(strict, strict))
    await job.source('right').send(...rows(0, 1))
    await job.source('left').send(...rows(0, 4 * BATCH))
    await job.finish()
    expect(job.sink('left-read').rows()).toHaveLength(4 * BATCH)
    expect(job.sink('out').rows()).toHaveLength(1)
  })
})

describe('whatever comes in whatever order, the job ends with the same rows', () => {
  type Build = (left: DataStream<Row>, right: DataStream<Row>) => DataStream<Row>
  const joins: Readonly<Record<string, Build>> = {
    'an interval join': (left, right) =>
      left
        .keyBy('user')
        .intervalJoin(
          'step',
          right.keyBy('user'),
          { lower: minutes(-2), upper: minutes(2) },
          (a, b) => ({ user: a.user, n: a.n * 100_000 + b.n, at: a.at }),
        ),
    'a connect with a broadcast side in event-time order': (left, right) =>
      left
        .keyBy('user')
        .connect(right.broadcast())
        .process('step', {
          emits: Row,
          order: 'event-time',
          broadcast: { latest: mapState(utf8(), int32()) },
          onRecord(row, { broadcast, emit }) {
            emit({ ...row, n: row.n * 10_000 + (broadcast.latest.get(row.user) ?? 0) })
          },
          onBroadcast: (row, { broadcast }) => broadcast.latest.put(row.user, row.n),
        }),
    'a connect in event-time order': (left, right) =>
      left
        .keyBy('user')
        .connect(right.keyBy('user'))
        .process('step', {
          emits: Row,
          order: 'event-time',
          state: { seen: listState(int32()) },
          onLeft(row, { state, emit }) {
            emit({ ...row, n: row.n * 100 + state.seen.get().length })
          },
          onRight(row, { state }) {
            state.seen.add(row.n)
          },
        }),
  }
  const build = (step: Build | undefined, strategy: WatermarkStrategy) =>
    defineJob('mixed', (env) => {
      const stream = (uid: string) => rowsOf(env, uid).assignTimestampsAndWatermarks('at', strategy)
      const [left, right, third] = [stream('left'), stream('right'), stream('third')]
      const out =
        step === undefined
          ? ordered(left.union(right, third).keyBy('user'), 'step')
          : step(left.union(third), right)
      out.sinkTo('out', sinkFor())
    })

  async function answer(
    job: unknown,
    parallelism: number,
    seed: number,
  ): Promise<readonly string[]> {
    const run = await testJob(job, { parallelism })
    let state = seed
    const next = (below: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff
      return (state >> 8) % below
    }
    // Dense, sparse, and one that lies far behind the others.
    const rest = new Map<string, readonly Row[]>([
      ['left', rows(40_000, 42_500, 'a')],
      ['right', rows(0, 900, 'a').map((row) => ({ ...row, at: row.at * 50 }))],
      ['third', rows(100, 1_600, 'a')],
    ])
    while (rest.size > 0) {
      const uid = [...rest.keys()][next(rest.size)]!
      const rows = rest.get(uid)!
      const size = 1 + next(1_500)
      await run.source(uid).send(...rows.slice(0, size))
      if (rows.length <= size) rest.delete(uid)
      else rest.set(uid, rows.slice(size))
    }
    await run.finish()
    return run
      .sink<Row>('out')
      .rows()
      .map((row) => JSON.stringify(row))
      .sort()
  }

  test.each(['a union in event-time order', ...Object.keys(joins)])('%s', async (name) => {
    const off = strict.withWatermarkAlignment('off')
    const expected = await answer(build(joins[name], off), 1, 1)
    expect(expected.length).toBeGreaterThan(500)
    for (const [parallelism, seed] of [
      [1, 2],
      [2, 3],
      [3, 4],
    ] as const) {
      expect(await answer(build(joins[name], strict), parallelism, seed)).toEqual(expected)
    }
  })
})
