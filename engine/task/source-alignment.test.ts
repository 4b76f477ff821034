import { expect, test } from 'vitest'
import type { StreamOperator } from '../operator/operator.ts'
import { MAX_WATERMARK, MIN_WATERMARK } from '../stream/elements.ts'
import { RecordBatch } from '../stream/record-batch.ts'
import { AlignmentBoard } from './alignment-board.ts'
import { BytesAhead } from './bytes-ahead.ts'
import { SourceAlignment } from './source-alignment.ts'

const MINUTE = 60_000

/** An assigner whose watermarks a test sets: of each split, and of all that count. */
class HandClocks {
  readonly splits = new Map<number, number>()
  /** Splits that are idle. */
  readonly idle = new Set<number>()

  processBatch(): void {
    // Records go by.
  }

  open(): void {
    // It needs nothing.
  }

  splitWatermark(index: number): number {
    return this.splits.get(index) ?? MIN_WATERMARK
  }

  leastSplitMs(): number {
    const counting = [...this.splits].filter(([index]) => !this.idle.has(index))
    return Math.min(MAX_WATERMARK, ...counting.map(([, ms]) => ms))
  }
}

/** Subtasks of two sources, each with one split that has its number, in one thread. */
function subtasks(count: number, maxDriftMs = MINUTE, readAheadBytes = 1_000) {
  const board = new AlignmentBoard(AlignmentBoard.create(count))
  const peers = Array.from({ length: count }, (_, slot) => ({
    slot,
    vertex: slot % 2,
    subtask: slot >> 1,
  }))
  return peers.map((own) => {
    const clocks = new HandClocks()
    const assigners: readonly StreamOperator[] = [clocks]
    const bounds = { maxDriftMs, readAheadBytes }
    const alignment = new SourceAlignment({ board, own, peers, bounds, assigners })
    /** A batch of so many bytes is read; the split's watermark behind it is `ms`. */
    const read = (ms: number, bytes: number, split = own.slot): void => {
      clocks.splits.set(split, ms)
      const batch = RecordBatch.ofRows([1])
      alignment.took(
        new RecordBatch(1, batch.rows, undefined, undefined, undefined, split, undefined),
        bytes,
      )
    }
    /** Its watermark moves without a batch: it ends, turns idle, or gets a split. */
    const set = (ms: number): void => {
      clocks.splits.set(own.slot, ms)
      alignment.publish()
    }
    return { alignment, clocks, read, set, isPaused: () => alignment.mustPause(undefined) }
  })
}

test('it pauses beyond both bounds, and goes on when the slowest is near again', () => {
  const [fast, slow] = subtasks(2)
  slow!.set(0)
  fast!.read(MINUTE, 5_000) // Not further ahead than the drift: any number of bytes.
  expect(fast!.isPaused()).toBe(false)
  fast!.read(MINUTE + 1, 1_000)
  expect(fast!.isPaused()).toBe(false)
  fast!.read(9 * MINUTE, 1)
  expect(fast!.isPaused()).toBe(true)
  expect(slow!.isPaused()).toBe(false)
  slow!.set(7 * MINUTE)
  expect(fast!.isPaused()).toBe(false) // The first of these bytes are near again.
  fast!.read(20 * MINUTE, 1_500)
  expect(fast!.isPaused()).toBe(true)
  slow!.set(19 * MINUTE)
  expect(fast!.isPaused()).toBe(false)
})

test('nobody waits for one that has no split yet, is idle or has ended', () => {
  const [fast, slow] = subtasks(2)
  fast!.read(9 * MINUTE, 5_000)
  expect(fast!.isPaused()).toBe(false) // No split yet.
  slow!.set(MIN_WATERMARK) // One without a record.
  fast!.read(9 * MINUTE + 1, 5_000)
  expect(fast!.isPaused()).toBe(true)
  slow!.clocks.idle.add(1)
  slow!.alignment.publish()
  expect(fast!.isPaused()).toBe(false)
  slow!.clocks.idle.clear()
  slow!.set(MINUTE)
  fast!.read(9 * MINUTE + 2, 5_000)
  expect(fast!.isPaused()).toBe(true)
  slow!.alignment.end()
  expect(fast!.isPaused()).toBe(false)
  slow!.set(0) // Whatever becomes of its splits.
  expect(fast!.isPaused()).toBe(false)
})

test('an idle subtask does not pause: what it reads next makes it active', () => {
  const [fast, slow] = subtasks(2)
  slow!.set(0)
  fast!.read(9 * MINUTE, 5_000)
  expect(fast!.isPaused()).toBe(true)
  fast!.clocks.idle.add(0)
  expect(fast!.isPaused()).toBe(false)
})

test('with splits that can be read in turn, only those far ahead wait, also for one beside them', () => {
  const [one] = subtasks(1)
  one!.read(0, 10, 7)
  one!.read(9 * MINUTE, 5_000, 8)
  expect(one!.alignment.mustPause(8)).toBe(true)
  expect(one!.alignment.mustPause(7)).toBe(false)
  expect(one!.isPaused()).toBe(false)
  expect(one!.alignment.takeWaitedFor()).toMatchObject({ slot: 0 })
  expect(one!.alignment.takeWaitedFor()).toBeUndefined()
  one!.read(9 * MINUTE, 10, 7)
  expect(one!.alignment.mustPause(8)).toBe(false)
})

test('a source in 2018 makes a live one wait until it ends', () => {
  const [live, old] = subtasks(2)
  old!.set(Date.UTC(2018, 0, 1))
  live!.read(Date.UTC(2026, 0, 1), 2_000)
  for (let month = 0; month < 90; month += 1) {
    old!.read(Date.UTC(2018, month, 1), 50_000)
    expect(live!.isPaused()).toBe(true)
    expect(old!.isPaused()).toBe(false)
  }
  old!.alignment.end()
  expect(live!.isPaused()).toBe(false)
})

test('whatever they read, one that is not done may always go on', () => {
  let seed = 1
  const next = (below: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fff_ffff
    return (seed >> 8) % below
  }
  for (let round = 0; round < 50; round += 1) {
    const all = subtasks(1 + next(5), next(3) * MINUTE, 1)
    const ms = all.map(() => next(100) * MINUTE)
    all.forEach(({ set }, index) => {
      set(ms[index]!)
    })
    for (let step = 0; step < 200; step += 1) {
      const free = all.filter(({ isPaused }) => !isPaused())
      expect(free.length).toBeGreaterThan(0)
      const index = all.indexOf(free[next(free.length)]!)
      ms[index]! += next(30) * MINUTE
      all[index]!.read(ms[index]!, 1 + next(500))
    }
  }
})

test('what is kept of the bytes ahead has a bound, though nothing is ever caught up with', () => {
  const ahead = new BytesAhead(1_600)
  for (let ms = 0; ms < 10_000; ms += 1) ahead.add(ms, 10)
  expect(ahead.bytes).toBe(100_000)
  expect(ahead.marks).toBe(32)
  ahead.passed(99)
  expect(ahead.bytes).toBe(99_000)
  ahead.passed(9_999)
  expect(ahead.bytes).toBe(0)
  expect(ahead.marks).toBe(0)
})
