import { expect, test } from 'vitest'
import type { JobGraph } from '../graph/job-graph.ts'
import type { LowestSplit } from '../operator/operator.ts'
import { silentLogger } from '../base/logger.ts'
import { MAX_WATERMARK, MIN_WATERMARK } from '../stream/elements.ts'
import { VirtualClock } from '../simulation/virtual-clock.ts'
import { StallWatch } from './stall-watch.ts'

/** Two subtasks of a source with times, and one of a window behind them. */
const graph = {
  vertices: [
    { id: 0, parallelism: 2, inputs: [], chain: [{ uid: 'in' }, { eventTime: 'assigns' }] },
    { id: 1, parallelism: 1, inputs: [0], chain: [{ uid: 'windows', eventTime: 'needs' }] },
  ],
  edges: [{ fromVertex: 0 }],
} as unknown as JobGraph

const silent: LowestSplit = { watermarkMs: MIN_WATERMARK, split: 7, state: 'silent' }
const read: LowestSplit = { watermarkMs: 1_000, split: 6, state: 'read' }

class Watched {
  readonly clock = new VirtualClock(0)
  readonly warned: Record<string, unknown>[] = []
  readonly #watch = new StallWatch(
    graph,
    [{ vertex: 0, placeOf: (index) => ({ split: `file-${index}` }) }],
    {
      clock: this.clock,
      logger: { ...silentLogger, warn: (fields) => this.warned.push(fields) },
    },
  )

  /** A report every half second, for so long. */
  async report(
    ms: number,
    recordsIn: (nowMs: number) => number,
    watermarkMs: (nowMs: number) => number,
    ...lowest: (LowestSplit | undefined | { lowest: LowestSplit; waitsFor: number })[]
  ): Promise<void> {
    for (let passed = 0; passed < ms; passed += 500) {
      await this.clock.advance(500)
      const nowMs = this.clock.monotonicMs()
      const idle = { busy: 0, backPressured: 0, watermarksMs: [] }
      const common = { recordsOut: [0], malformed: 0, late: [], ...idle }
      this.#watch.look(({ id }) =>
        id === 1
          ? [
              {
                ...common,
                vertex: 1,
                subtask: 0,
                recordsIn: [recordsIn(nowMs)],
                watermarkMs: watermarkMs(nowMs),
              },
            ]
          : lowest.map((given, subtask) => ({
              ...common,
              vertex: 0,
              subtask,
              recordsIn: [0, 0],
              watermarkMs: MIN_WATERMARK,
              ...(given !== undefined && 'waitsFor' in given
                ? { lowestSplit: given.lowest, waitsFor: { vertex: 0, subtask: given.waitsFor } }
                : { lowestSplit: given }),
            })),
      )
    }
  }
}

const none = (): number => MIN_WATERMARK

test('records for ten seconds and no watermark: one warning names what holds it back', async () => {
  const watched = new Watched()
  await watched.report(60_000, () => 0, none, read, silent)
  expect(watched.warned).toEqual([])
  await watched.report(60_000, () => 5, none, read, silent)
  expect(watched.warned).toEqual([
    {
      step: 'windows',
      source: 'in',
      subtask: 1,
      split: 'file-7',
      watermark: 'none',
      hint: expect.stringMatching(/withIdleness/) as unknown,
    },
  ])
})

test('a source that is paused is not blamed, but the one that it waits for', async () => {
  const watched = new Watched()
  const paused = { lowest: { ...silent, watermarkMs: 9 }, waitsFor: 0 }
  const behind = { lowest: { ...silent, split: 5, watermarkMs: 5 }, waitsFor: 1 }
  // Reports are not of one moment: each of the two may look as if it waited for the other.
  await watched.report(
    15_000,
    (now) => now,
    () => 9,
    behind,
    paused,
  )
  expect(watched.warned).toMatchObject([{ subtask: 0, split: 'file-5' }])
  const transitive = new Watched()
  const slowest = { ...silent, split: 4, watermarkMs: 1 }
  await transitive.report(
    15_000,
    (now) => now,
    () => 9,
    { ...behind, waitsFor: 1 },
    slowest,
  )
  expect(transitive.warned).toMatchObject([{ subtask: 1, split: 'file-4' }])
})

test('what to do depends on what the split does', async () => {
  for (const [state, hint] of [
    ['queued', /inOrder: true/],
    ['read', /event times/],
  ] as const) {
    const watched = new Watched()
    await watched.report(15_000, () => 5, none, { ...silent, state })
    expect(watched.warned.map((fields) => fields['hint'])).toEqual([expect.stringMatching(hint)])
  }
})

test('no warning: a watermark that moves, is on its way, has ended, or a source that is idle', async () => {
  const cases: Parameters<Watched['report']>[] = [
    [60_000, (now) => now, (now) => now, read],
    [60_000, (now) => now, () => 999, { ...read, watermarkMs: 1_000 }],
    [60_000, (now) => now, () => MAX_WATERMARK, silent],
    [60_000, (now) => now, none, undefined, undefined],
    // All that there was came at once, and the watermark with it.
    [60_000, () => 600, () => 999, { ...read, watermarkMs: 999, state: 'silent' }],
  ]
  for (const report of cases) {
    const watched = new Watched()
    await watched.report(...report)
    expect(watched.warned).toEqual([])
  }
})

test('a watermark that has moved is told of again when it stands while records come', async () => {
  const watched = new Watched()
  await watched.report(
    5_000,
    (now) => now,
    (now) => now,
    read,
  )
  await watched.report(
    8_000,
    (now) => now,
    () => 999,
    { ...read, watermarkMs: 999 },
  )
  expect(watched.warned).toEqual([])
  await watched.report(
    4_000,
    (now) => now,
    () => 5_000,
    { ...read, watermarkMs: 5_000 },
  )
  await watched.report(
    8_000,
    (now) => now,
    () => 5_000,
    { ...read, watermarkMs: 5_000 },
  )
  expect(watched.warned).toMatchObject([{ watermark: '1970-01-01T00:00:05.000Z' }])
  await watched.report(
    20_000,
    (now) => now,
    () => 5_000,
    { ...read, watermarkMs: 5_000 },
  )
  expect(watched.warned).toHaveLength(1)
})
