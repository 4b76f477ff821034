import { describe, expect, test } from 'vitest'
import type { SplitChange } from '../operator/operator.ts'
import type { AssignedSplit, SourceOutput, SourceReader } from '../operator/source.ts'
import type { SplitDeal } from './source-driver.ts'
import type { RestoredSplit } from '../worker/protocol.ts'
import { RecordBatch } from '../stream/record-batch.ts'
import { AlignmentBoard } from './alignment-board.ts'
import { SourceAlignment } from './source-alignment.ts'
import { barrierOf, HandOperator, handTask } from './testing/hand-task.ts'

interface InSplit {
  readonly split: number
  readonly record: number
}

/** Reads what a test puts into it: records, of split 0 where none is named, or what `poll` says. */
class HandSource implements SourceReader {
  readonly ready: (number | InSplit | 'finish split' | 'finished')[] = []
  readsInTurn = false
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
    const [next] = this.ready
    if (next === undefined) return 'waiting'
    const { split, record } = typeof next === 'object' ? next : { split: 0, record: next }
    const isPaused = this.readsInTurn && output.isPaused!(split)
    if (isPaused) return 'waiting'
    this.ready.shift()
    if (record === 'finished') return record
    if (record === 'finish split') output.finishSplit(split)
    else {
      output.emit(
        new RecordBatch(1, [record], undefined, undefined, undefined, split, undefined),
        1,
      )
      this.#next = record + 1
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
    if (type === 'paused') this.note(`paused ${String(change.index)} ${String(change.paused)}`)
    else this.note(type === 'added' ? `added${of} ${String(change.watermarkMs)}` : `${type}${of}`)
  }

  splitWatermark(index: number): number {
    return 100 + index
  }

  least = 100

  leastSplitMs(): number {
    return this.least
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

describe('a source that is far ahead of another', () => {
  /** With bounds of no time and no byte; the other one stands at `board.publish(1, …)`. */
  function aligned(readsInTurn: boolean) {
    const source = new HandSource()
    const reader = Object.assign(source, { readsInTurn })
    const assigner = new HandAssigner([])
    const board = new AlignmentBoard(AlignmentBoard.create(2))
    const own = { slot: 0, vertex: 0, subtask: 0 }
    const alignment = new SourceAlignment({
      board,
      own,
      peers: [own, { slot: 1, vertex: 7, subtask: 1 }],
      bounds: { maxDriftMs: 0, readAheadBytes: 0 },
      assigners: [assigner],
    })
    const given = { source: reader, alignment }
    const hand = handTask([new HandOperator([]), assigner], given)
    hand.task.addSplits(deal([split('a', 0), split('b', 1)], true))
    board.publish(1, 50)
    return {
      ...hand,
      source,
      assigner,
      board,
      run: () => {
        drainSlices(hand.task)
      },
    }
  }

  function drainSlices(task: { runSlice(): boolean }): void {
    while (task.runSlice());
  }

  test('is not polled, has no work, and takes barriers all the same', () => {
    const { task, source, writer, board, assigner, run } = aligned(false)
    source.ready.push(1, 2, 3)
    run()
    expect(writer.texts()).toEqual(['1'])
    expect(task.hasWork()).toBe(false)
    task.kick()
    run()
    expect(writer.texts()).toEqual(['1'])
    task.trigger(barrierOf(1))
    expect(task.hasWork()).toBe(true)
    run()
    expect(writer.texts()).toEqual(['1', 'b1'])
    expect(task.metrics().waitsFor).toMatchObject({ vertex: 7, subtask: 1 })
    expect(assigner.calls).toContain('paused undefined true')
    board.publish(1, 100)
    expect(task.hasWork()).toBe(true)
    run()
    expect(writer.texts()).toEqual(['1', 'b1', '2,3'])
    expect(assigner.calls).toContain('paused undefined false')
    expect(task.metrics().waitsFor).toBeUndefined()
  })

  test('ends when it is drained, and then nobody waits for it', () => {
    const { task, source, writer, board, run } = aligned(false)
    source.ready.push(1, 2)
    run()
    expect(board.slowest([{ slot: 0, vertex: 0, subtask: 0 }])?.ms).toBe(100)
    task.drain()
    run()
    expect(writer.texts()).toEqual(['1', `w${Number.MAX_SAFE_INTEGER}`, 'end'])
    expect(board.slowest([{ slot: 0, vertex: 0, subtask: 0 }])).toBeUndefined()
  })

  test('of splits that are read in turn those near the slowest are read on', () => {
    const { task, source, writer, board, assigner, run } = aligned(true)
    const read = (): string => writer.texts().join(',')
    board.publish(1, 100) // Split 0 is at 100, split 1 at 101.
    source.ready.push(1, 2, { split: 1, record: 3 })
    run()
    source.ready.push(4)
    task.kick()
    run()
    expect(read()).toBe('1,2,3,4')
    source.ready.push({ split: 1, record: 6 })
    task.kick()
    run()
    expect(read()).toBe('1,2,3,4')
    expect(task.hasWork()).toBe(false)
    expect(assigner.calls).toContain('paused 1 true')
    // What comes for the other split is read though this one waits.
    source.ready.unshift(7)
    task.kick()
    run()
    expect(read()).toBe('1,2,3,4,7')
    expect(task.hasWork()).toBe(false)
    board.publish(1, 101)
    expect(task.hasWork()).toBe(false)
    assigner.least = 101 // Split 0 of its own was the slowest.
    expect(task.hasWork()).toBe(true)
    run()
    expect(read()).toBe('1,2,3,4,7,6')
    expect(assigner.calls).toContain('paused 1 false')
  })
})

test('closing closes the reader', async () => {
  const { task, source } = sourceTask()
  await task.close()
  expect(source.calls).toEqual(['close'])
})
