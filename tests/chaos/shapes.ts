/**
 * Jobs of many shapes, over every source and every committing sink, each with what it has to
 * publish: small, so that thousands of runs are a matter of minutes.
 */
import { boundedOutOfOrderness, count, defineJob, field, millis, session, sliding } from 'millrace'
import { float64, int32, struct, sum, tumbling } from 'millrace'
import type { DataStream, StreamEnvironment, Windows } from 'millrace'
import { fileSink, generatorSource, parquetSink } from 'millrace/connectors'
import { event, events, allIds, JITTER_MS, rows, runningTotals } from './shape-events.ts'
import { sessionTotals, windowTotals, type ShapeEvent, type Total } from './shape-events.ts'
import { checkpointing, generated, Ids, idSink, Totals } from './shape-parts.ts'
import { inputShapes } from './shapes-inputs.ts'
import { lastingShapes } from './shapes-lasting.ts'
import { stateShapes } from './shapes-state.ts'
import { RECORDS, type ChaosShape } from './shape.ts'

const SPLITS = 16

/** Steps without state: what comes out of a split is in its order. */
const chain: ChaosShape = {
  name: 'chain',
  job: defineJob('chain', (env) => {
    env.checkpointing(checkpointing)
    generated(env, 'events')
      .filter(({ amount }) => amount >= 200)
      .map(({ id, amount }) => ({ id, twice: amount * 2 }))
      .where(field('twice').lt(1_800))
      .select({ id: field('id') })
      .sinkTo('ids', idSink('ids'))
  }),
  parameters: {},
  expected: {
    ids: rows(
      events.filter(({ amount }) => amount >= 200 && amount < 900).map(({ id }) => ({ id })),
    ),
  },
  order: {
    ids: (row) => {
      const { id } = JSON.parse(row) as { readonly id: number }
      return { key: String(id % SPLITS), place: id }
    },
  },
}

const SoFar = struct({ split: int32(), events: int32(), amount: float64() })

/** A total that goes on with every record: each value once, in the order of its key's records. */
const running: ChaosShape = {
  name: 'running',
  job: defineJob('running', (env) => {
    env.checkpointing(checkpointing)
    generated(env, 'events')
      .map(({ id, amount }) => ({ split: id % SPLITS, amount }))
      .keyBy('split')
      .aggregate('totals', { events: count(), amount: sum('amount') })
      .sinkTo('running', fileSink({ directory: '/running', schema: SoFar }))
  }),
  parameters: {},
  expected: {
    running: rows(
      runningTotals(({ id }) => id % SPLITS).map(({ key, ...total }) => ({ split: key, ...total })),
    ),
  },
  order: {
    running: (row) => {
      const { split, events } = JSON.parse(row) as Readonly<Record<'split' | 'events', number>>
      return { key: String(split), place: events }
    },
  },
}

function windowed(name: string, windows: Windows, expected: readonly Total[]): ChaosShape {
  const job = defineJob(name, (env) => {
    env.checkpointing(checkpointing)
    totalsTo(generated(env, 'events'), windows, name)
  })
  return { name, job, parameters: {}, expected: { [name]: rows(expected) } }
}

function totalsTo(stream: DataStream<ShapeEvent>, windows: Windows, folder: string): void {
  stream
    .keyBy('user')
    .window(windows)
    .aggregate(`totals-${folder}`, { events: count(), amount: sum('amount') })
    .select({
      user: field('user'),
      start: field('windowStart'),
      end: field('windowEnd'),
      events: field('events'),
      amount: field('amount'),
    })
    .sinkTo(folder, fileSink({ directory: `/${folder}`, schema: Totals }))
}

/** One stream to a Parquet table in two partitions, to files, and to a keyed step with a third sink. */
const sinks: ChaosShape = {
  name: 'sinks',
  job: defineJob('sinks', (env) => {
    env.checkpointing(checkpointing)
    const all = generated(env, 'events')
    const partitionBy = ({ id }: { readonly id: number }): string => `half=${id % 2}`
    all
      .select({ id: field('id') })
      .sinkTo('lake', parquetSink({ directory: '/lake', schema: Ids, partitionBy }))
    all
      .filter(({ amount }) => amount >= 500)
      .select({ id: field('id') })
      .sinkTo('large', idSink('large'))
    totalsTo(all, tumbling(millis(100)), 'totals')
  }),
  parameters: {},
  expected: {
    lake: allIds,
    large: rows(events.filter(({ amount }) => amount >= 500).map(({ id }) => ({ id }))),
    totals: rows(windowTotals(100)),
  },
}

/** Two sources that become one stream. */
const union: ChaosShape = {
  name: 'union',
  job: defineJob('union', (env) => {
    env.checkpointing(checkpointing)
    const left = half(env, 'left', 0)
    const right = half(env, 'right', RECORDS / 2)
    totalsTo(left.union(right), tumbling(millis(100)), 'totals')
  }),
  parameters: {},
  expected: { totals: rows(windowTotals(100)) },
}

function half(env: StreamEnvironment, uid: string, first: number): DataStream<ShapeEvent> {
  const generate = (index: number): ShapeEvent => event(first + index)
  return env
    .fromSource(uid, generatorSource({ records: RECORDS / 2, perSecond: 1_500, generate }))
    .assignTimestampsAndWatermarks('at', boundedOutOfOrderness(millis(JITTER_MS)))
}

export const chaosShapes: readonly ChaosShape[] = [
  chain,
  running,
  windowed('tumbling', tumbling(millis(100)), windowTotals(100)),
  windowed('sliding', sliding(millis(120), millis(40)), windowTotals(120, 40)),
  windowed('sessions', session(millis(150)), sessionTotals(150)),
  sinks,
  union,
  ...stateShapes,
  ...lastingShapes,
  ...inputShapes,
]

export function chaosShape(name: string): ChaosShape {
  const found = chaosShapes.find((shape) => shape.name === name)
  if (found === undefined) throw new Error(`there is no shape "${name}"`)
  return found
}
