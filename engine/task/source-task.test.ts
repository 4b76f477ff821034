import { expect, test } from 'vitest'
import type { SplitChange } from '../operator/operator.ts'
import type { AssignedSplit, SourceOutput, SourceReader } from '../operator/source.ts'
import type { SplitDeal } from './source-driver.ts'
import type { RestoredSplit } from '../worker/protocol.ts'
import { RecordBatch } from '../stream/record-batch.ts'
import { barrierOf, HandOperator, handTask } from './testing/hand-task.ts'

/** Reads what a test puts into it: records of split 0, or what `poll` is to say. */
class HandSource implements SourceReader {
  readonly ready: (number | 'finish split' | 'finished')[] = []
  readonly calls: string[] = []
  readonly splits: string[] = []
  #next = 0

  addSplits(splits: readonly AssignedSplit[]): void {
    this.splits.push(...splits.map(({ id }) => id))
    this.calls.push(
      `add ${splits.map(({ id, position }) => `${id}:${JSON.stringify(position)}`).join(' ')}`,
    )
  }

  noMoreSplits(): void {
    this.calls.push('no more')
  }

  poll(output: SourceOutput): 'more' | 'waiting' | 'finished' {
    const next = this.ready.shift()
    if (next === undefined) return 'waiting'
    if (next === 'finished') return next
    if (next === 'finish split') output.finishSplit(0)
    else {
      output.emit(RecordBatch.ofRows([next]))
      this.#next = next + 1
    }
    return 'more'
  }

  snapshot() {
    return this.splits.map((id) => ({ id, position: this.#next, finished: false }))
  }

  checkpointCompleted(positions: readonly { readonly position: unknown }[]): void {
    this.calls.push(`completed ${positions.map(({ position }) => String(position)).join(' ')}`)
  }

  close(): Promise<void> {
    this.calls.push('close')
    return Promise.resolve()
  }
}

/** An assigner behind the source: it is told of splits and asked for their watermarks. */
class HandAssigner extends HandOperator {
  readonly emitsWatermarks = true

  onSplit(change: SplitChange): void {
    const { type } = change
    const of = 'index' in change ? ` ${change.index}` : ''
    this.note(type === 'added' ? `added${of} ${String(change.watermarkMs)}` : `${type}${of}`)
  }

  splitWatermark(index: number): number {
    return 100 + index
  }
}

function split(id: string, index: number, given: Partial<RestoredSplit> = {}): RestoredSplit {
  const fresh = { id, index, start: 0, position: undefined, finished: false }
  return { ...fresh, watermarkMs: undefined, ...given }
}

function deal(splits: readonly RestoredSplit[], complete: boolean): SplitDeal {
  return { splits, complete, places: {} }
}

function sourceTask() {
  const source = new HandSource()
  const assigner = new HandAssigner([])
  return { ...handTask([new HandOperator([]), assigner], { source }), source, assigner }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('splits go to the assigner before the reader; finished ones to neither', () => {
  const { task, source, assigner } = sourceTask()
  const done = split('done', 1, { finished: true, position: 9 })
  task.addSplits(deal([split('a', 0, { position: 4, watermarkMs: 50 }), done], false))
  expect(assigner.calls).toEqual(['added 0 50', 'dealt'])
  expect(source.calls).toEqual(['add a:4'])
  task.addSplits(deal([], true))
  task.addSplits(deal([], true))
  expect(assigner.calls).toEqual(['added 0 50', 'dealt', 'complete', 'complete'])
  expect(source.calls).toEqual(['add a:4', 'no more'])
})

test('a snapshot has each split with its position and watermark, and the finished for ever', async () => {
  const { task, source, snapshots } = sourceTask()
  const done = split('done', 1, { finished: true, position: 9, watermarkMs: 7 })
  task.addSplits(deal([split('a', 0), done], false))
  source.ready.push(1, 2)
  while (task.runSlice());
  task.trigger(barrierOf(1))
  while (task.runSlice());
  await settled()
  expect(snapshots[0]!.splits).toEqual({
    'step-0': [
      { id: 'done', position: 9, finished: true, watermarkMs: 7 },
      { id: 'a', position: 3, finished: false, watermarkMs: 100 },
    ],
  })
  task.completed(1)
  task.completed(1)
  expect(source.calls.filter((call) => call.startsWith('completed'))).toEqual(['completed 9 3'])
})

test('a barrier comes between two polls, and nothing overtakes it', () => {
  const { task, source, writer } = sourceTask()
  source.ready.push(1)
  task.runSlice()
  task.trigger(barrierOf(1))
  source.ready.push(2)
  task.kick()
  while (task.runSlice());
  expect(writer.texts()).toEqual(['1', 'b1', '2'])
})

test('a reader that waits is not polled until it kicks', () => {
  const { task, source } = sourceTask()
  while (task.runSlice());
  source.ready.push(1)
  expect(task.hasWork()).toBe(false)
  expect(task.runSlice()).toBe(false)
  task.kick()
  expect(task.hasWork()).toBe(true)
})

test('a split that ends is told to the assigner; the end of all ends the task', () => {
  const { task, source, writer, told, assigner } = sourceTask()
  task.addSplits(deal([split('a', 0)], true))
  source.ready.push(1, 'finish split', 'finished')
  while (task.runSlice());
  expect(assigner.calls).toContain('finished 0')
  expect(writer.texts()).toEqual(['1', `w${Number.MAX_SAFE_INTEGER}`, 'end'])
  expect(told).toEqual(['ended'])
})

test('draining ends the input though the reader has more', () => {
  const { task, source, writer } = sourceTask()
  source.ready.push(1, 2)
  task.drain()
  while (task.runSlice());
  expect(source.ready).toHaveLength(2)
  expect(writer.texts()).toEqual([`w${Number.MAX_SAFE_INTEGER}`, 'end'])
})

test('closing closes the reader', async () => {
  const { task, source } = sourceTask()
  await task.close()
  expect(source.calls).toEqual(['close'])
})
