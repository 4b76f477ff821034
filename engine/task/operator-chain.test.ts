import { expect, test } from 'vitest'
import type { RecordBatch } from '../stream/record-batch.ts'
import { HandOperator, handTask, placed } from './testing/hand-task.ts'

/** Fires one timer a call: a watermark needs as many calls as there are times up to it. */
class Firing extends HandOperator {
  readonly times: number[] = []

  advanceWatermark(ms: number): boolean {
    const due = this.times.findIndex((time) => time <= ms)
    if (due < 0) return true
    this.note(`fire ${this.times.splice(due, 1)[0]}`)
    return false
  }
}

class Noting extends HandOperator {
  advanceWatermark(ms: number): boolean {
    this.note(`w${ms}`)
    return true
  }
}

test('a watermark reaches a child when its parent has fired all that it covers', () => {
  const calls: string[] = []
  const head = new Firing(calls, 'head')
  const { chain, writer, task } = handTask([head, new Noting(calls, 'child')])
  head.times.push(3, 4, 9)
  chain.offerWatermark(5)
  expect(chain.hasPendingWatermark).toBe(true)
  expect([chain.advance(), chain.advance(), chain.advance()]).toEqual([false, false, true])
  expect(calls).toEqual(['head:fire 3', 'head:fire 4', 'child:w5'])
  expect(chain.hasPendingWatermark).toBe(false)
  task.runSlice()
  expect(writer.texts()).toEqual(['w5'])
})

test('a watermark that is offered while another is under way is reached in one go', () => {
  const calls: string[] = []
  const head = new Firing(calls)
  const { chain } = handTask([head, new Noting(calls, 'child')])
  head.times.push(3)
  chain.offerWatermark(5)
  chain.advance()
  chain.offerWatermark(8)
  expect(chain.advance()).toBe(true)
  expect(calls).toEqual(['fire 3', 'child:w8'])
})

test('an assigner swallows the watermarks of its input, but for the last one', () => {
  class Assigner extends HandOperator {
    readonly emitsWatermarks = true
  }
  const { chain, writer, task } = handTask([new Assigner([])])
  chain.offerWatermark(5)
  chain.advance()
  chain.offerIdle(true)
  chain.offerWatermark(Number.MAX_SAFE_INTEGER)
  chain.advance()
  task.runSlice()
  expect(writer.texts()).toEqual([`w${Number.MAX_SAFE_INTEGER}`])
})

test('a head that pauses is asked again from where it stopped, and counts each record once', () => {
  const froms: number[] = []
  class Pausing extends HandOperator {
    processFrom(batch: RecordBatch, _input: number, from: number): number {
      froms.push(from)
      return Math.min(from + 2, batch.count)
    }
  }
  const { chain } = handTask([new Pausing([])])
  const element = placed([1, 0], [2, 0], [3, 0])
  const batch = (element as Extract<typeof element, { type: 'batch' }>).batch
  expect(chain.processBatch(batch, 0, 0)).toBe(2)
  expect(chain.processBatch(batch, 0, 2)).toBe(3)
  expect(froms).toEqual([0, 2])
  expect(chain.head.recordsIn).toBe(3)
})

test('operators end in their order, each when it says so', () => {
  const calls: string[] = []
  class Ending extends HandOperator {
    #left = 1

    finish(): boolean {
      this.note('finish')
      this.#left -= 1
      return this.#left < 0
    }
  }
  const { chain } = handTask([new Ending(calls, 'a'), new Ending(calls, 'b')])
  while (!chain.finish()) calls.push('again')
  expect(calls).toEqual(['a:finish', 'again', 'a:finish', 'b:finish', 'again', 'b:finish'])
})
