import { expect, test } from 'vitest'
import type { Json } from '../../engine/base/json.ts'
import type { OperatorContext } from '../../engine/operator/operator.ts'
import type { WatermarkGenerator, WatermarkStrategy } from '../../engine/time/watermark-strategy.ts'
import { RecordBatch } from '../../engine/stream/record-batch.ts'
import { MIN_WATERMARK } from '../../engine/stream/elements.ts'
import {
  boundedStrategy,
  ownStrategy,
  watermarkStrategyData,
} from '../../engine/time/watermark-strategy.ts'
import { AssignWatermarksOperator } from './assign-watermarks.ts'

const NONE = MIN_WATERMARK

/** An assigner behind a source; `read` gives the watermarks before the records, and the last. */
function assigner(strategy: WatermarkStrategy) {
  const time = { type: 'field', field: 'at' } as const
  const operator = new AssignWatermarksOperator(time, watermarkStrategyData(strategy))
  let places: number[] = []
  let behind = NONE
  operator.open({
    name: 'times',
    uid: 'times',
    subtask: 0,
    doors: { clock: { nowMs: () => 0 } },
    output: {
      emit: (batch: RecordBatch) => (places = [...batch.watermarks!]),
      emitWatermark: (ms: number) => (behind = ms),
      emitIdle: () => undefined,
      hasCredit: () => true,
    },
  } as unknown as OperatorContext)
  const add = (index: number, generator?: Json): void => {
    operator.onSplit({ type: 'added', index, watermarkMs: undefined, generator })
  }
  const read = (splits: readonly number[], times: readonly number[]): (number | string)[] => {
    const rows = times.map((at) => ({ at }))
    const from = Int32Array.from(splits)
    operator.processBatch(
      new RecordBatch(rows.length, rows, undefined, undefined, undefined, from, undefined),
    )
    return [...places, `then ${behind}`]
  }
  return { operator, add, read }
}

test('a watermark stands before the record that causes it', () => {
  const { add, read } = assigner(boundedStrategy(5))
  add(0)
  expect(read([0, 0, 0, 0], [10, 8, 30, 12])).toEqual([4, 4, 24, 24, 'then 24'])
  expect(read([0, 0], [20, 40])).toEqual([24, 34, 'then 34'])
})

test('with several splits it is the least, record by record', () => {
  const { add, read } = assigner(boundedStrategy(0))
  add(0)
  add(1)
  expect(read([0, 1, 0, 1], [10, 5, 20, 30])).toEqual([NONE, 4, 4, 19, 'then 19'])
})

test('however the records are cut, each has the same watermark before it', () => {
  const splits = [0, 1, 1, 0, 0, 1, 0, 1]
  const times = [10, 5, 20, 30, 12, 40, 60, 50]
  const whole = assigner(boundedStrategy(3))
  whole.add(0)
  whole.add(1)
  const expected = whole.read(splits, times).slice(0, -1)
  for (const size of [1, 2, 3, 5]) {
    const { add, read } = assigner(boundedStrategy(3))
    add(0)
    add(1)
    const found: (number | string)[] = []
    for (let from = 0; from < times.length; from += size) {
      const to = from + size
      found.push(...read(splits.slice(from, to), times.slice(from, to)).slice(0, -1))
    }
    expect(found).toEqual(expected)
  }
})

/** The watermark is the greatest time of all records but the last two. */
class TwoBehind implements WatermarkGenerator {
  times: number[] = []

  onRecord(timeMs: number): void {
    this.times = [...this.times, timeMs].sort((left, right) => left - right)
  }

  watermarkMs(): number {
    return this.times.at(-3) ?? -Infinity
  }

  snapshot(): Json {
    return this.times.slice(-3)
  }

  restore(snapshot: Json): void {
    this.times = [...(snapshot as number[])]
  }
}

test("a watermark at or behind its record's own time stands behind the record", () => {
  const { add, read } = assigner(
    ownStrategy(() => {
      let ms = -Infinity
      return { onRecord: (timeMs) => (ms = timeMs), watermarkMs: () => ms }
    }),
  )
  add(0)
  expect(read([0, 0, 0], [10, 11, 20])).toEqual([NONE, 10, 11, 'then 20'])
})

test('a generator that gives a snapshot goes on from it after a restore', () => {
  const first = assigner(ownStrategy(() => new TwoBehind()))
  first.add(0)
  first.read([0, 0, 0], [10, 20, 30])
  const kept = first.operator.splitGenerator(0)
  expect(kept).toEqual([10, 20, 30])

  const restored = assigner(ownStrategy(() => new TwoBehind()))
  restored.add(0, kept)
  expect(restored.read([0], [40])).toEqual([20, 'then 20'])
  expect(first.read([0], [40])).toEqual([20, 'then 20'])
})

test('a generator without a snapshot leaves nothing in the checkpoint', () => {
  const { add, read, operator } = assigner(boundedStrategy(5))
  add(0)
  read([0], [10])
  expect(operator.splitGenerator(0)).toBeUndefined()
})
