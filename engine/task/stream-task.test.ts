import { expect, test } from 'vitest'
import type { RecordBatch } from '../stream/record-batch.ts'
import { MAX_WATERMARK } from '../stream/elements.ts'
import type { HandTask } from './testing/hand-task.ts'
import {
  barrier,
  barrierOf,
  END,
  HandOperator,
  handTask,
  IDLE,
  placed,
  rows,
  watermark,
} from './testing/hand-task.ts'

/**
 * Fires as a keyed step does: a timer 5 behind each record, before the first record at whose place
 * the watermark has reached it; one a call.
 */
class Timed extends HandOperator {
  readonly times: number[] = []
  processingAtMs: number | undefined
  onFire: (() => void) | undefined

  processFrom(batch: RecordBatch, input: number, from: number): number {
    for (let index = from; index < batch.count; index += 1) {
      if (!this.#fire(batch.watermarks?.[index] ?? -Infinity)) return index
      const value = batch.rows[index] as number
      this.note(`${value}${input === 0 ? '' : `@${input}`}`)
      this.times.push(value + 5)
      this.output.emit(batch.select(Int32Array.of(index), 1))
    }
    return batch.count
  }

  advanceWatermark(ms: number): boolean {
    return this.#fire(ms)
  }

  nextProcessingTimeMs(): number | undefined {
    return this.processingAtMs
  }

  advanceProcessingTime(nowMs: number): boolean {
    this.note(`processing ${nowMs}`)
    this.processingAtMs = undefined
    return true
  }

  finish(): boolean {
    this.note('finish')
    return true
  }

  #fire(ms: number): boolean {
    const due = this.times.findIndex((time) => time <= ms)
    if (due < 0) return true
    this.note(`fire ${this.times.splice(due, 1)[0]}`)
    this.onFire?.()
    return false
  }
}

function timed(channels = 1): HandTask & { readonly calls: string[]; readonly operator: Timed } {
  const operator = new Timed([])
  return { ...handTask([operator], { channels }), calls: operator.calls, operator }
}

test('timers fire at their place within a batch, however the records are cut', () => {
  const records = [
    [1, -9],
    [2, -8],
    [9, 6],
    [3, 7],
    [20, 14],
  ] as const
  const cuts = [[5], [1, 1, 1, 1, 1], [2, 3], [3, 2]]
  const answers = cuts.map((cut) => {
    const { task, calls, readers } = timed()
    let from = 0
    for (const count of cut) {
      const some = records.slice(from, from + count)
      readers[0]!.elements.push(placed(...some), watermark(some.at(-1)![1]))
      from += count
    }
    while (task.runSlice());
    return calls
  })
  expect(answers[0]).toEqual(['1', '2', 'fire 6', '9', 'fire 7', '3', 'fire 14', 'fire 8', '20'])
  for (const answer of answers) expect(answer).toEqual(answers[0])
})

test('while a head pauses within a batch nothing else is served', () => {
  const { task, calls, readers, writer, operator, clock, told } = timed(2)
  readers[0]!.elements.push(watermark(1), placed([10, 5], [20, 5]), barrier(1))
  readers[1]!.elements.push(watermark(5), rows(7), barrier(1))
  operator.times.push(3, 4)
  operator.onFire = () => {
    writer.credit = 0
    operator.processingAtMs = 0
    clock.ms = 10
  }
  task.runSlice()
  expect(calls).toEqual(['fire 3'])
  expect(task.runSlice()).toBe(false)
  expect(task.hasWork()).toBe(false)
  expect(readers[0]!.released).toBe(1)
  operator.onFire = undefined
  writer.credit = Infinity
  expect(task.hasWork()).toBe(true)
  while (task.runSlice());
  expect(calls).toEqual(['fire 3', 'fire 4', '10', '20', '7', 'processing 10'])
  expect(writer.texts().at(-1)).toBe('b1')
  expect(told).toEqual(['cut 1'])
})

test('a batch is released once, when its last record is taken', () => {
  const { task, readers, operator } = timed()
  operator.times.push(1, 2, 3)
  readers[0]!.elements.push(placed([10, 4], [11, 4]))
  while (task.runSlice());
  expect(operator.calls).toEqual(['fire 1', 'fire 2', 'fire 3', '10', '11'])
  expect(readers[0]!.released).toBe(1)
})

test('a barrier is taken after all that the watermark before it fires', () => {
  const { task, readers, writer, operator, told } = timed()
  operator.times.push(1, 2, 9)
  readers[0]!.elements.push(watermark(5), barrier(1), placed([20, 12]))
  while (task.runSlice());
  expect(operator.calls).toEqual(['fire 1', 'fire 2', 'fire 9', '20'])
  expect(writer.texts()).toEqual(['w5', 'b1', '20', 'w12'])
  expect(told).toEqual(['cut 1'])
})

test('the snapshot holds the watermark that every record before the barrier was judged by', async () => {
  const { task, readers, snapshots, operator } = timed()
  readers[0]!.elements.push(placed([20, 12]), barrier(3))
  while (task.runSlice());
  await new Promise((resolve) => setImmediate(resolve))
  expect(operator.calls).toEqual(['20'])
  expect(snapshots.map(({ checkpointId }) => checkpointId)).toEqual([3])
})

test('without credit nothing is read', () => {
  const { task, readers, writer } = timed()
  writer.credit = 0
  readers[0]!.elements.push(rows(1))
  expect(task.runSlice()).toBe(false)
  expect(task.hasWork()).toBe(false)
  expect(readers[0]!.elements).toHaveLength(1)
  writer.credit = 1
  expect(task.runSlice()).toBe(true)
})

test('at the end everything fires, then the steps end, then the end is sent; barriers go on', () => {
  const { task, readers, writer, operator, told } = timed()
  readers[0]!.elements.push(placed([1, 0]), END)
  while (task.runSlice());
  expect(operator.calls).toEqual(['1', 'fire 6', 'finish'])
  expect(writer.texts()).toEqual(['1', `w${MAX_WATERMARK}`, 'end'])
  expect(told).toEqual(['ended'])
  readers[0]!.elements.push(barrier(4))
  while (task.runSlice());
  expect(writer.texts().at(-1)).toBe('b4')
  expect(told).toEqual(['ended', 'cut 4'])
})

test('a barrier that stops is the last thing that is read', () => {
  const { task, readers, writer } = timed()
  readers[0]!.elements.push(rows(1), barrier(2, true), rows(3))
  while (task.runSlice());
  expect(writer.texts()).toEqual(['1', 'b2'])
  expect(task.hasWork()).toBe(false)
})

test('what a step throws comes out of the slice', () => {
  class Failing extends HandOperator {
    override processBatch(): void {
      throw new Error('no')
    }
  }
  const { task, readers } = handTask([new Failing([])])
  readers[0]!.elements.push(rows(1))
  expect(() => task.runSlice()).toThrow('no')
})

test('held back records go out when nothing more is there, and after the buffer timeout', () => {
  const { task, readers, writer, clock } = handTask([new HandOperator([])])
  const many = Array.from({ length: 200 }, (_, value) => rows(value))
  readers[0]!.elements.push(...many)
  task.runSlice()
  const before = writer.sent.length
  clock.ms = 25
  task.runSlice()
  expect(before).toBe(0)
  expect(writer.sent.length).toBeGreaterThan(0)
  while (task.runSlice());
  expect(writer.sent.flatMap((element) => (element.type === 'batch' ? element.batch.count : []))) //
    .toSatisfy((counts: number[]) => counts.reduce((sum, count) => sum + count, 0) === 200)
})

test('idleness goes through, and a watermark before it', () => {
  const { task, readers, writer } = handTask([new HandOperator([]), new HandOperator([])])
  readers[0]!.elements.push(watermark(3), IDLE)
  while (task.runSlice());
  expect(writer.texts()).toEqual(['w3', 'idle'])
})

test('only a source is triggered', () => {
  const { task } = timed()
  expect(() => {
    task.trigger(barrierOf(1))
  }).toThrow('only sources are triggered')
})
