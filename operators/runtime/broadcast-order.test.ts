import { expect, test } from 'vitest'
import { RecordBatch } from '../../engine/stream/record-batch.ts'
import { OperatorHost } from '../../engine/testing/operator-host.ts'
import { end, record, side, verifyOperator, watermark } from '../../engine/testing/index.ts'
import { createBroadcastOrder } from './factories.ts'

const order = createBroadcastOrder(undefined)
const host = (creditBatches = Infinity, restored: OperatorHost[] = []): OperatorHost =>
  new OperatorHost(order, {
    subtask: 0,
    parallelism: 1,
    creditBatches,
    restored: restored.map((one) => one.snapshot()),
  })

/** Records of one time, each with its split and offset. */
function batchOf(rows: readonly string[], ms: number, splits: number[], offsets: number[]) {
  const times = new Float64Array(rows.length).fill(ms)
  const places = [Int32Array.from(splits), Float64Array.from(offsets)] as const
  return new RecordBatch(rows.length, rows, undefined, times, undefined, ...places)
}

const values = ({ results }: OperatorHost): unknown[] =>
  results.map((result) => (result.type === 'record' ? result.value : result.type))

test('records go on by their times once the watermark has passed them; late ones go aside', () => {
  verifyOperator(order)
    .input(
      record('c', 30),
      record('a', 10),
      watermark(9),
      record('b', 20),
      watermark(20),
      record('late', 20),
      record('d', 21),
      watermark(30),
      record('e', 31),
      end(),
    )
    .expect(
      watermark(9),
      record('a', 10),
      record('b', 20),
      watermark(20),
      side('late', 'late', 20),
      record('d', 21),
      record('c', 30),
      watermark(30),
      record('e', 31),
      end(),
    )
})

test('those of one time go by split and offset, then by content, in whatever order they come', () => {
  const first = batchOf(['b', 'd'], 5, [0, 1], [7, 3])
  const second = batchOf(['a', 'c', 'y', 'x'], 5, [0, 1, -1, -1], [2, 1, NaN, NaN])
  for (const batches of [
    [first, second],
    [second, first],
  ]) {
    const one = host()
    for (const batch of batches) one.processBatch(batch, 0)
    const restored = host(Infinity, [one])
    for (const each of [one, restored]) {
      each.advanceWatermark(5)
      expect(values(each)).toEqual(['x', 'y', 'a', 'b', 'c', 'd', 'watermark'])
    }
  }
})

test('a place that was lost is none: the position of the others goes on with them', () => {
  const one = host()
  const emitted: RecordBatch[] = []
  one.operator.open({
    output: { emit: (batch: RecordBatch) => emitted.push(batch), hasCredit: () => true },
    broadcastState: () => ({ entries: () => [], put: () => {}, remove: () => {} }),
  } as never)
  one.operator.processBatch(batchOf(['a', 'b'], 5, [3, -1], [12, NaN]), 0)
  one.operator.advanceWatermark!(7)
  const [{ splits, offsets, times, watermarks }] = emitted as [RecordBatch]
  expect([splits, offsets]).toEqual([Int32Array.of(-1, 3), Float64Array.of(NaN, 12)])
  expect([times, watermarks]).toEqual([Float64Array.of(5, 5), Float64Array.of(4, 4)])
})

test('an idle stream holds nothing back; what comes later follows, though its time is less', () => {
  const one = host()
  one.processBatch(batchOf(['b', 'a'], 50, [0, 0], [1, 0]), 0)
  one.operator.onInputIdle!(true)
  one.operator.onInputIdle!(false)
  one.processBatch(batchOf(['c'], 40, [0], [2]), 0)
  one.advanceWatermark(45)
  one.advanceWatermark(60)
  expect(values(one)).toEqual(['a', 'b', 'c', 'watermark', 'watermark'])
})

test('without credit it pauses, a batch at a time', () => {
  const one = host(1)
  const rows = Array.from({ length: 3_000 }, (_, n) => `${n}`)
  const offsets = rows.map((_, n) => n)
  one.processBatch(batchOf(rows, 5, new Array<number>(3_000).fill(0), offsets), 0)
  one.advanceWatermark(5)
  expect(values(one)).toEqual([...rows, 'watermark'])
})

test('a record without a time is an error with a code', () => {
  for (const timeMs of [NaN, undefined]) {
    expect(() => {
      verifyOperator(order).input(record('a', 1), record('b', timeMs)).expect()
    }).toThrow(expect.objectContaining({ code: 'EVENT_TIME_MISSING' }) as Error)
  }
})
