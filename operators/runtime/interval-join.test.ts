import { expect, test } from 'vitest'
import type { KeySelector } from '../../engine/stream/keys.ts'
import type { OperatorSubject } from '../../engine/testing/operator-host.ts'
import { OperatorHost } from '../../engine/testing/operator-host.ts'
import { record, side, verifyOperator, watermark } from '../../engine/testing/index.ts'
import { RecordBatch } from '../../engine/stream/record-batch.ts'
import { createIntervalJoin } from './interval-join.ts'

const byId: KeySelector = { type: 'field', field: 'id' }
const keys = [byId, byId] as const

interface Item {
  readonly id: string
  readonly name: string
}

function join(lowerMs: number, upperMs: number): OperatorSubject {
  const step = (left: Item, right: Item): string => `${left.name}${right.name}`
  const schemas = [undefined, undefined] as const
  return { ...createIntervalJoin({ keys, schemas, lowerMs, upperMs, step }), keys }
}

const left = (id: string, name: string, atMs: number) => record({ id, name }, atMs, 0)
const right = (id: string, name: string, atMs: number) => record({ id, name }, atMs, 1)

test('records of a key join when the right one lies within the bounds, both of them included', () => {
  verifyOperator(join(-5, 10))
    .input(
      left('a', 'L100', 100),
      right('a', 'R94', 94),
      right('a', 'R95', 95),
      right('a', 'R110', 110),
      right('a', 'R111', 111),
      right('b', 'R100', 100),
    )
    .expect(record('L100R95', 100), record('L100R110', 110))
})

test('the result has the later time, whichever record came first', () => {
  verifyOperator(join(-5, 10))
    .input(right('a', 'R', 104), left('a', 'L', 100), left('a', 'M', 106))
    .expect(record('LR', 104), record('MR', 106))
})

test('a record is kept until no partner can come, and a late one goes to late', () => {
  verifyOperator(join(0, 10))
    .input(
      left('a', 'L', 100),
      watermark(109),
      right('a', 'R', 110),
      right('a', 'late', 109),
      watermark(110),
      left('a', 'M', 111),
    )
    .expect(
      watermark(109),
      record('LR', 110),
      side('late', { id: 'a', name: 'late' }, 109),
      watermark(110),
    )
})

test('bounds that lie in the past or in the future keep only the side that waits', () => {
  verifyOperator(join(5, 10))
    .input(left('a', 'L', 100), watermark(104), right('a', 'R', 105), right('a', 'S', 111))
    .expect(watermark(104), record('LR', 105))
  verifyOperator(join(-10, -5))
    .input(right('a', 'R', 100), watermark(104), left('a', 'L', 105), left('a', 'M', 111))
    .expect(watermark(104), record('LR', 105))
})

test('several records at one time are several pairs', () => {
  verifyOperator(join(0, 0))
    .input(left('a', 'L', 1), left('a', 'M', 1), right('a', 'R', 1), right('a', 'R', 1))
    .expect(record('LR', 1), record('MR', 1), record('LR', 1), record('MR', 1))
})

test('state is empty once the watermark has passed everything', () => {
  const host = new OperatorHost(join(-5, 10), {
    subtask: 0,
    parallelism: 1,
    creditBatches: Infinity,
    restored: [],
  })
  const batch = (atMs: number): RecordBatch =>
    RecordBatch.ofRows([{ id: 'a', name: 'x' }], Float64Array.of(atMs))
  host.processBatch(batch(100), 0)
  host.processBatch(batch(101), 1)
  const kept = (): number => {
    const { entries, timers } = host.snapshot().keyed
    return timers.length + entries.flatMap(({ value }) => value as readonly unknown[]).length
  }
  expect(kept()).toBe(4)
  host.advanceWatermark(200)
  expect(kept()).toBe(0)
})

test('a record without an event time says what to do', () => {
  expect(() => {
    verifyOperator(join(0, 1))
      .input(record({ id: 'a', name: 'x' }))
      .expect()
  }).toThrow('has no event time')
})
