import { describe, expect, test } from 'vitest'
import type { Clock } from '../base/clock.ts'
import type { Pace } from './cell-merge.ts'
import { VirtualClock } from '../simulation/virtual-clock.ts'
import { SHARE, TURN_SLICE_MIN, WorkShare, grantOf } from './work-share.ts'

/** A clock that moves when fake work says what it takes. */
class WorkClock extends VirtualClock {
  #workedMs = 0

  work(ms: number): void {
    this.#workedMs += ms
  }

  override monotonicMs(): number {
    return super.monotonicMs() + this.#workedMs
  }
}

/** Writes cells for ever, each taking `cellMs`; counts what it has done. */
class FakeWriter {
  cells = 0
  ms = 0
  isStopped = false

  async run(pace: Pace, clock: WorkClock | undefined, cellMs: number, bytes = 50): Promise<void> {
    while (!this.isStopped) {
      this.cells += 1
      this.ms += cellMs
      clock?.work(cellMs)
      const pause = pace.spend(bytes)
      if (pause !== undefined) await pause
    }
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Turns of `units` that take `turnMs` each; the part of all time that writers got behind the first. */
async function shareOf(
  units: number,
  turnMs: number,
  cellMs: number,
  writers = 1,
): Promise<number> {
  const clock = new WorkClock(0)
  const share = new WorkShare(clock)
  share.turnBegins()
  share.turnEnds(units, turnMs)
  const all = Array.from({ length: writers }, () => new FakeWriter())
  for (const writer of all) void writer.run(share.pace(), clock, cellMs)
  let othersMs = 0
  let before = 0
  for (let turn = 0; turn < 400; turn += 1) {
    // What comes first is not measured yet.
    if (turn === 100) {
      othersMs = 0
      before = all.reduce((sum, { ms }) => sum + ms, 0)
    }
    share.turnBegins()
    clock.work(turnMs)
    othersMs += turnMs
    share.turnEnds(units, turnMs)
    await settled()
  }
  const writersMs = all.reduce((sum, { ms }) => sum + ms, 0) - before
  for (const writer of all) writer.isStopped = true
  share.idle()
  await settled()
  return writersMs / (writersMs + othersMs)
}

describe('the share of snapshots', () => {
  test.each([
    ['cheap records, full batches', 30_000, 2, 0.001],
    ['keyed records', 30_000, 8, 0.001],
    ['cells dearer than usual', 30_000, 8, 0.01],
    ['a slow function', 30_000, 80, 0.001],
    ['a very slow function, small batches', 300, 30, 0.001],
    ['few records a turn', 600, 1, 0.001],
  ])('is what is stated while others have work: %s', async (_, units, turnMs, cellMs) => {
    const share = await shareOf(units, turnMs, cellMs)
    expect(share).toBeGreaterThan(0.8 * SHARE)
    expect(share).toBeLessThan(1.2 * SHARE)
  })

  test('is one share for all writers of a worker', async () => {
    const share = await shareOf(30_000, 8, 0.001, 5)
    expect(share).toBeGreaterThan(0.8 * SHARE)
    expect(share).toBeLessThan(1.2 * SHARE)
  })

  test('is all of the time when nobody else has work', async () => {
    const clock = new WorkClock(0)
    const share = new WorkShare(clock)
    share.turnBegins()
    share.turnEnds(30_000, 8)
    const writer = new FakeWriter()
    void writer.run(share.pace(), clock, 0.001)
    await settled()
    const before = writer.cells
    for (let turn = 0; turn < 10; turn += 1) await settled()
    expect(writer.cells).toBe(before) // S1
    share.idle()
    for (let turn = 0; turn < 100; turn += 1) await settled()
    expect(writer.cells - before).toBeGreaterThan(99 * 300)
    // The next turn with work takes its part again.
    share.turnBegins()
    share.turnEnds(0, 8)
    await settled()
    const after = writer.cells
    for (let turn = 0; turn < 10; turn += 1) await settled()
    expect(writer.cells).toBe(after)
    writer.isStopped = true
    share.idle()
    await settled()
  })
})

test('where the clock stands still, N cells take the same number of turns each time', async () => {
  const turnsOf = async (cells: number, units: number): Promise<number> => {
    const clock: Clock = new VirtualClock(0)
    const share = new WorkShare(clock)
    share.turnBegins()
    share.turnEnds(units, 0)
    const writer = new FakeWriter()
    void writer.run(share.pace(), undefined, 0)
    let turns = 0
    for (; writer.cells < cells; turns += 1) {
      share.turnBegins()
      share.turnEnds(units, 0)
      await settled()
    }
    writer.isStopped = true
    share.idle()
    await settled()
    return turns
  }
  expect(await turnsOf(100_000, 40_000)).toBe(await turnsOf(100_000, 40_000))
  expect(await turnsOf(100_000, 40_000)).toBeLessThan(60)
  // S3: a turn that did next to nothing pays for something too. A cell has 50 bytes.
  expect(await turnsOf(10_000, 1)).toBeLessThan((10_000 * (1 + 50 / 128)) / TURN_SLICE_MIN + 2)
})

test('a grant grows with the work, within its bounds', () => {
  expect(grantOf(0, 4)).toBe(TURN_SLICE_MIN)
  expect(grantOf(40_000, 4)).toBeCloseTo((10_000 * SHARE) / (1 - SHARE))
  expect(grantOf(40_000, 8)).toBeCloseTo((5_000 * SHARE) / (1 - SHARE))
  expect(grantOf(1e9, 0.001)).toBe(65_536)
})
