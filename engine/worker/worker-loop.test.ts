import { expect, test } from 'vitest'
import type { JobVertex } from '../graph/job-graph.ts'
import { silentLogger } from '../base/logger.ts'
import { seededRandom } from '../base/random.ts'
import { MemoryDisk } from '../simulation/memory-files.ts'
import { VirtualClock } from '../simulation/virtual-clock.ts'
import { at, openTestStore } from '../state/testing/open-store.ts'
import { WorkShare } from '../state/work-share.ts'
import { ClockParking, WorkerLoop, type LoopTask } from './worker-loop.ts'

const COUNT = { type: 'value', name: 'count', value: { kind: 'int32' } } as const

/** A saturated task: every slice takes eight batches, or nothing when it has come to its end. */
class BusyTask implements LoopTask {
  readonly vertex = { id: 0 } as JobVertex
  turns = 0
  workDone = 0
  isAtEnd = false

  runSlice(): boolean {
    if (this.isAtEnd) return false
    this.turns += 1
    this.workDone += 8 * (16 + 2 * 1_024)
    return true
  }

  hasWork(): boolean {
    return !this.isAtEnd
  }
}

async function world(keys: number, cacheBytes = 1e9) {
  const clock = new VirtualClock(0)
  const share = new WorkShare(clock)
  const files = new MemoryDisk().files()
  const doors = { clock, files, random: seededRandom(1), logger: silentLogger }
  const store = await openTestStore(files, { descriptors: [COUNT], doors, share, cacheBytes })
  const state = store.value<number>(COUNT)
  const touch = (key: number): void => {
    at(store, key)
    state.update(key)
  }
  for (let key = 0; key < keys; key += 1) touch(key)
  const task = new BusyTask()
  const loop = new WorkerLoop(clock, new ClockParking(clock), share, (error) => {
    throw error
  })
  loop.start([task])
  return { store, task, loop, touch }
}

test.each([10_000, 40_000])(
  'a snapshot of %d cells is done after a bounded number of saturated turns, the same each time',
  async (cells) => {
    const turns: number[] = []
    for (let run = 0; run < 2; run += 1) {
      const { store, task, loop } = await world(cells)
      const before = task.turns
      await store.snapshot(1).write()
      turns.push(task.turns - before)
      loop.close()
      await store.close()
    }
    expect(turns[0]).toBe(turns[1])
    // Each cell is encoded and merged; a turn of 16,512 units pays for some seven hundred.
    expect(turns[0]).toBeLessThan((2 * cells) / 700)
    expect(turns[0]).toBeGreaterThan((2 * cells) / 1_400)
  },
)

test('a loop without work leaves a snapshot all of the time', async () => {
  const { store, task, loop } = await world(20_000)
  const write = store.snapshot(1).write()
  task.isAtEnd = true
  const before = task.turns
  await write
  expect(task.turns - before).toBeLessThanOrEqual(1)
  loop.close()
  await store.close()
})

test('a snapshot under way ends after its loop has been closed', async () => {
  const { store, loop } = await world(20_000)
  const write = store.snapshot(1).write()
  loop.close()
  expect((await write).chain).toHaveLength(1)
  await store.close()
})

test('what is set aside for a snapshot is bounded: records wait beyond it', async () => {
  const { store, loop, touch } = await world(40_000, 16_000_000)
  // Checkpoints that were aborted and are still being written, one behind the other; every record
  // changes what a barrier has frozen.
  const writes = [1, 2, 3, 4, 5, 6, 7, 8].map((id) => {
    const written = store.snapshot(id).write()
    for (let key = 0; key < 40_000 && store.isReady; key += 1) touch(key)
    return written
  })
  expect(store.isReady).toBe(false)
  const ready = store.whenReady()
  for (const write of writes) await write
  await ready
  expect(store.isReady).toBe(true)
  loop.close()
  await store.close()
})
