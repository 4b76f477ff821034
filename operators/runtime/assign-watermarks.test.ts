import { expect, test } from 'vitest'
import type { HostOptions, OperatorResult } from '../../engine/testing/operator-host.ts'
import type { SplitChange } from '../../engine/operator/operator.ts'
import type { TimeSelector } from './assign-watermarks.ts'
import type { WatermarkStrategy } from '../../engine/time/watermark-strategy.ts'
import { AssignWatermarksOperator } from './assign-watermarks.ts'
import {
  boundedStrategy,
  createGenerator,
  ownStrategy,
  watermarkStrategyData,
} from '../../engine/time/watermark-strategy.ts'
import { MAX_WATERMARK, MIN_WATERMARK } from '../../engine/stream/elements.ts'
import { OperatorHost } from '../../engine/testing/operator-host.ts'
import { record, verifyOperator, watermark } from '../../engine/testing/index.ts'
import { RecordBatch } from '../../engine/stream/record-batch.ts'

const byField: TimeSelector = { type: 'field', field: 'at' }
const byFunction: TimeSelector = { type: 'function', select: ({ at }: { at: number }) => at }
const create =
  (strategy: WatermarkStrategy, time: TimeSelector = byField) =>
  (): AssignWatermarksOperator =>
    new AssignWatermarksOperator(time, watermarkStrategyData(strategy))

const options: HostOptions = { subtask: 0, parallelism: 1, creditBatches: Infinity, restored: [] }

/** A host whose batches come from splits, and what came out since the last look. */
class Splits {
  readonly host: OperatorHost
  readonly operator: AssignWatermarksOperator

  constructor(strategy: WatermarkStrategy, creditBatches = Infinity) {
    this.host = new OperatorHost({ create: create(strategy) }, { ...options, creditBatches })
    const { operator } = this.host
    if (!(operator instanceof AssignWatermarksOperator)) throw new Error('another operator')
    this.operator = operator
  }

  change(change: SplitChange): (number | boolean)[] {
    this.operator.onSplit(change)
    return this.marks()
  }

  add(index: number, watermarkMs?: number): (number | boolean)[] {
    return this.change({ type: 'added', index, watermarkMs })
  }

  read(splits: number | number[], ...times: number[]): (number | boolean)[] {
    const rows = times.map((at) => ({ at }))
    const from = typeof splits === 'number' ? splits : Int32Array.from(splits)
    this.host.processBatch(
      new RecordBatch(rows.length, rows, undefined, undefined, undefined, from, undefined),
      0,
    )
    return this.marks()
  }

  advance(ms: number): (number | boolean)[] {
    this.host.advanceProcessingTime(ms)
    return this.marks()
  }

  /** Watermarks as numbers, changes of idleness as booleans. */
  marks(): (number | boolean)[] {
    const taken: readonly OperatorResult[] = this.host.results.splice(0)
    return taken.flatMap((result): (number | boolean)[] => {
      if (result.type === 'watermark') return [result.ms]
      return result.type === 'idle' ? [result.idle] : []
    })
  }
}

function unsplit(at: number): RecordBatch {
  return new RecordBatch(1, [{ at }], undefined, undefined, undefined, undefined, undefined)
}

test('records get their time, and the watermark follows the batch, a bound behind the latest', () => {
  for (const time of [byField, byFunction]) {
    verifyOperator({ create: create(boundedStrategy(5), time) })
      .input(record({ at: 10 }), watermark(1), record({ at: 8 }), watermark(2), record({ at: 30 }))
      .expect(
        record({ at: 10 }, 10),
        watermark(4),
        record({ at: 8 }, 8),
        record({ at: 30 }, 30),
        watermark(24),
      )
  }
})

const noTimes = [NaN, null, undefined, '5', Infinity, 99.25, -0.5, 8.64e15 + 1, -8.64e15 - 1, 5n]

test.each(noTimes)('a time that the engine cannot store is refused: %s', (at) => {
  const time = (row: unknown): number => (row as { at: number }).at
  const own: TimeSelector = { type: 'function', select: time }
  for (const given of [byField, own]) {
    const run = (): void => {
      verifyOperator({ create: create(boundedStrategy(0), given) })
        .input(record({ at }))
        .expect()
    }
    expect(run).toThrow(/the event time of a record, by ("at"|the function)/)
    expect(run).toThrow(expect.objectContaining({ code: 'VALUE_UNFIT' }))
  }
})

test.each([-8.64e15, 8.64e15])('the ends of what the engine can store are taken: %d', (at) => {
  verifyOperator({ create: create(boundedStrategy(0)) })
    .input(record({ at }))
    .expect(record({ at }, at), watermark(at - 1))
})

test('a watermark of a generator is in whole milliseconds, or refused', () => {
  let ms: unknown = 99.75
  const strategy = ownStrategy(() => ({
    onRecord: () => undefined,
    watermarkMs: () => ms as number,
  }))
  const generator = createGenerator(watermarkStrategyData(strategy))
  expect(generator.watermarkMs()).toBe(99)
  ms = -Infinity
  expect(generator.watermarkMs()).toBe(Number.MIN_SAFE_INTEGER)
  ms = Infinity
  expect(generator.watermarkMs()).toBe(Number.MAX_SAFE_INTEGER)
  for (ms of [NaN, undefined, '5', 5n]) {
    expect(() => generator.watermarkMs()).toThrow(/a watermark generator gave/)
  }
})

test('the watermark is the least of the splits; one not yet read holds it back', () => {
  const splits = new Splits(boundedStrategy(0))
  splits.add(0)
  splits.add(1)
  expect(splits.read(0, 100)).toEqual([])
  expect(splits.read(1, 50)).toEqual([49])
  expect(splits.read([0, 1, 1, 0], 200, 60, 70, 150)).toEqual([69])
  expect(splits.add(2)).toEqual([])
  expect(splits.read(1, 500)).toEqual([])
  expect(splits.read(2, 90)).toEqual([89])
})

test('a finished split no longer holds the watermark back', () => {
  const splits = new Splits(boundedStrategy(0))
  splits.add(0)
  splits.add(1)
  splits.read(0, 100)
  splits.read(1, 50)
  expect(splits.change({ type: 'finished', index: 1 })).toEqual([99])
  expect(splits.change({ type: 'complete' })).toEqual([])
  expect(splits.change({ type: 'finished', index: 0 })).toEqual([])
})

test('a subtask without a split is idle once dealt, until it is to get one', () => {
  const splits = new Splits(boundedStrategy(0))
  expect(splits.advance(1_000_000)).toEqual([])
  expect(splits.change({ type: 'dealt' })).toEqual([true])
  expect(splits.change({ type: 'expected' })).toEqual([false])
  expect(splits.add(0)).toEqual([])
  expect(splits.change({ type: 'dealt' })).toEqual([])
  expect(splits.read(0, 100)).toEqual([99])
  expect(splits.change({ type: 'finished', index: 0 })).toEqual([true])
  expect(splits.add(1)).toEqual([])
  expect(splits.change({ type: 'dealt' })).toEqual([false])
  expect(splits.read(1, 200)).toEqual([199])
})

test('a subtask whose first deal was the last one holds until it ends', () => {
  const splits = new Splits(boundedStrategy(0).withIdleness(1_000))
  expect(splits.change({ type: 'complete' })).toEqual([])
  expect(splits.advance(1_000_000)).toEqual([])
})

test('from the news of splits to their deal the watermark waits', () => {
  const splits = new Splits(boundedStrategy(0).withIdleness(1_000))
  splits.add(0)
  splits.change({ type: 'dealt' })
  expect(splits.read(0, 100)).toEqual([99])
  expect(splits.change({ type: 'expected' })).toEqual([])
  expect(splits.read(0, 200)).toEqual([])
  expect(splits.advance(5_000)).toEqual([])
  splits.add(1)
  expect(splits.change({ type: 'dealt' })).toEqual([])
  expect(splits.read(1, 150)).toEqual([149])
})

test('where a step has lost the splits of records, only the last one to end makes it idle', () => {
  const splits = new Splits(boundedStrategy(0))
  splits.add(0)
  splits.add(1)
  splits.change({ type: 'dealt' })
  splits.host.processBatch(unsplit(100), 0)
  expect(splits.marks()).toEqual([99])
  expect(splits.change({ type: 'finished', index: 0 })).toEqual([])
  splits.host.processBatch(unsplit(200), 0)
  expect(splits.marks()).toEqual([199])
  expect(splits.change({ type: 'finished', index: 1 })).toEqual([true])
})

test('away from its source it is idle while all of its input is', () => {
  const { host, operator } = new Splits(boundedStrategy(0))
  operator.onInputIdle(true)
  operator.onInputIdle(false)
  host.processBatch(unsplit(100), 0)
  expect(host.results.filter(({ type }) => type !== 'record')).toEqual([
    { type: 'idle', idle: true },
    { type: 'idle', idle: false },
    { type: 'watermark', ms: 99 },
  ])
})

test('a restored split starts active, at its watermark, and shows it for the next checkpoint', () => {
  const splits = new Splits(boundedStrategy(0))
  expect(splits.add(0, 70)).toEqual([])
  expect(splits.add(1, 40)).toEqual([])
  expect(splits.read(0, 60)).toEqual([40])
  expect(splits.operator.splitWatermark(0)).toBe(70)
  splits.read(0, 90)
  expect(splits.operator.splitWatermark(0)).toBe(89)
  expect(splits.operator.splitWatermark(1)).toBe(40)
  expect(splits.operator.splitWatermark(7)).toBe(MIN_WATERMARK)
})

test('a silent split turns idle, and with all of them the subtask', () => {
  const splits = new Splits(boundedStrategy(0).withIdleness(1_000))
  splits.add(0)
  splits.add(1)
  splits.read(0, 100)
  splits.advance(600)
  expect(splits.read(0, 110)).toEqual([])
  expect(splits.advance(1_000)).toEqual([109])
  expect(splits.advance(1_700)).toEqual([true])
  expect(splits.read(1, 50)).toEqual([false])
  expect(splits.read(1, 130)).toEqual([129])
})

test('splits that wait for what is downstream are not idle', () => {
  const splits = new Splits(boundedStrategy(0).withIdleness(1_000), 0)
  splits.add(0)
  splits.read(0, 100)
  expect(splits.advance(5_000)).toEqual([])
})

test('a split that is paused is not idle, and its silence begins when it is read again', () => {
  const splits = new Splits(boundedStrategy(0).withIdleness(1_000))
  splits.add(0)
  splits.add(1)
  splits.read([0, 1], 100, 100)
  expect(splits.change({ type: 'paused', index: 1, paused: true })).toEqual([])
  expect(splits.read(0, 200)).toEqual([])
  expect(splits.advance(5_000)).toEqual([]) // Split 0 is idle, split 1 is not.
  splits.advance(5_900)
  splits.change({ type: 'paused', index: 1, paused: false })
  expect(splits.advance(6_800)).toEqual([])
  expect(splits.advance(6_900)).toEqual([199, true])
  splits.change({ type: 'paused', index: undefined, paused: true })
  expect(splits.read([0, 1], 300, 300)).toEqual([false, 299])
  expect(splits.advance(60_000)).toEqual([])
})

test('the least of its splits is told as it is, also where the watermark cannot go back', () => {
  const splits = new Splits(boundedStrategy(0).withIdleness(1_000))
  const least = (): number => splits.operator.leastSplitMs()
  splits.change({ type: 'dealt' })
  expect(least()).toBe(MAX_WATERMARK)
  splits.add(0)
  splits.add(1)
  expect(least()).toBe(MIN_WATERMARK)
  splits.read([0, 1], 100, 50)
  expect(least()).toBe(49)
  splits.advance(500)
  splits.read(0, 200)
  expect(splits.advance(1_200)).toEqual([199]) // Split 1 is idle.
  expect(least()).toBe(199)
  splits.read(1, 60)
  expect(least()).toBe(59)
  splits.change({ type: 'finished', index: 1 })
  expect(least()).toBe(199)
  splits.change({ type: 'finished', index: 0 })
  expect(least()).toBe(MAX_WATERMARK)
})

test("a user's generator makes the watermarks", () => {
  const strategy = ownStrategy(() => {
    let latest = MIN_WATERMARK
    return {
      onRecord: (ms) => {
        if (ms % 10 === 0) latest = ms
      },
      watermarkMs: () => latest,
    }
  })
  const splits = new Splits(strategy)
  splits.add(3)
  expect(splits.read(3, 12, 20, 33)).toEqual([20])
  expect(splits.read(3, 10)).toEqual([])
})

const inOrder = (index: number, watermarkMs?: number, name = 'files'): SplitChange => ({
  type: 'added',
  index,
  watermarkMs,
  sequence: { name, place: String(index) },
})

test('of splits that follow each other those not yet read hold nothing back', () => {
  const splits = new Splits(boundedStrategy(0))
  for (const index of [2, 0, 1]) splits.change(inOrder(index))
  splits.change({ type: 'dealt' })
  expect(splits.read(0, 100)).toEqual([99])
  // Read early, it does not count before its turn; the next one goes on from where the last ended.
  expect(splits.read(1, 500)).toEqual([])
  expect(splits.change({ type: 'finished', index: 0 })).toEqual([499])
  expect(splits.change({ type: 'finished', index: 1 })).toEqual([])
  expect(splits.operator.splitWatermark(2)).toBe(499)
  expect(splits.read(2, 400, 600)).toEqual([599])
})

test('each sequence counts by itself, and a split beside them too', () => {
  const splits = new Splits(boundedStrategy(0))
  splits.change(inOrder(0, undefined, 'a'))
  splits.change(inOrder(1, undefined, 'a'))
  splits.change(inOrder(2, undefined, 'b'))
  splits.add(3)
  splits.change({ type: 'dealt' })
  splits.read(0, 100)
  splits.read(2, 70)
  expect(splits.read(3, 80)).toEqual([69])
  expect(splits.change({ type: 'finished', index: 2 })).toEqual([79])
  expect(splits.read(3, 300)).toEqual([99])
})

test('restored splits of a sequence give the watermark of the earliest', () => {
  const splits = new Splits(boundedStrategy(0))
  splits.change(inOrder(5, 300))
  splits.change(inOrder(4, 200))
  splits.change(inOrder(6))
  expect(splits.change({ type: 'dealt' })).toEqual([200])
  expect(splits.change({ type: 'finished', index: 4 })).toEqual([300])
})

test('a split at rest lets the next one count, until it has more after all', () => {
  const splits = new Splits(boundedStrategy(0))
  splits.change(inOrder(0))
  splits.change({ type: 'dealt' })
  expect(splits.read(0, 100)).toEqual([99])
  splits.change(inOrder(1))
  splits.change({ type: 'dealt' })
  expect(splits.read(1, 500)).toEqual([])
  expect(splits.change({ type: 'resting', index: 0, resting: true })).toEqual([499])
  expect(splits.change({ type: 'resting', index: 0, resting: false })).toEqual([])
  expect(splits.read(1, 600)).toEqual([])
  splits.read(0, 110)
  expect(splits.change({ type: 'resting', index: 0, resting: true })).toEqual([599])
  expect(splits.change({ type: 'resting', index: 1, resting: true })).toEqual([true])
})

test('a split that waits for others to be read first is not idle', () => {
  const splits = new Splits(boundedStrategy(0).withIdleness(1_000))
  let isQueued = true
  splits.add(0)
  splits.change({ type: 'added', index: 1, watermarkMs: undefined, isQueued: () => isQueued })
  splits.read(0, 100)
  splits.advance(900)
  splits.read(0, 200)
  expect(splits.advance(1_800)).toEqual([])
  isQueued = false
  splits.read(0, 300)
  expect(splits.advance(2_700)).toEqual([])
  splits.read(0, 400)
  expect(splits.advance(2_800)).toEqual([399])
})
