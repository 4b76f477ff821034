import { expect, test } from 'vitest'
import type { SourceSplit } from '../operator/source.ts'
import type { JobVertex } from '../graph/job-graph.ts'
import { silentLogger } from '../base/logger.ts'
import { seededRandom } from '../base/random.ts'
import { memoryDisk } from '../simulation/memory-files.ts'
import { VirtualClock } from '../simulation/virtual-clock.ts'
import { SourceCoordinator, type SplitAssignment } from './source-coordinator.ts'

/** A source whose splits are those of `ids`, in one sequence. */
function coordinatorOf(ids: string[], parallelism: number, clock = new VirtualClock(0)) {
  const doors = {
    clock,
    random: seededRandom(1),
    files: memoryDisk(1).files(),
    logger: silentLogger,
  }
  const enumerator = {
    discoveryIntervalMs: 1_000,
    discover: () => {
      const splits = ids.map((id): SourceSplit => ({ id, start: null, sequence: sequenceOf(id) }))
      return Promise.resolve({ splits, complete: false })
    },
    close: () => Promise.resolve(),
  }
  const source = { kind: 'test', createEnumerator: () => enumerator }
  const vertex = {
    id: 0,
    parallelism,
    chain: [{ uid: 'in', runtime: { type: 'source', source } }],
  }
  let next = 0
  return new SourceCoordinator(vertex as unknown as JobVertex, doors, () => {
    next += 1
    return next - 1
  })
}

/** In the order of the numbers in the names, which is not that of the names. */
function sequenceOf(id: string): { name: string; place: string } {
  return { name: 'files', place: id.replace(/\d+/, (digits) => digits.padStart(3, '0')) }
}

function dealt(assignments: readonly SplitAssignment[]): string[] {
  return assignments.map(({ subtask, splits }) =>
    [`${subtask}:`, ...splits.map(({ id, finished }) => id + (finished ? '!' : ''))].join(' '),
  )
}

test('splits of a sequence are dealt in its order, also after a restore at another parallelism', async () => {
  const ids = ['f10', 'f2', 'f1', 'f3']
  const first = coordinatorOf(ids, 2)
  const assignments = await first.start(undefined)
  expect(dealt(assignments)).toEqual(['0: f1 f3', '1: f2 f10'])
  expect(assignments.map(({ places }) => places)).toEqual([{ files: 'f010' }, { files: 'f010' }])

  const state = first.snapshot()
  expect(state.enumerated.map((split) => Object.keys(split))).toEqual(
    ids.map(() => ['id', 'start', 'index']),
  )
  const splits = [{ id: 'f1', position: 7, finished: true, watermarkMs: 5 }]
  const again = coordinatorOf(ids, 3)
  expect(dealt(await again.start({ ...state, splits }))).toEqual(['0: f2 f1!', '1: f3', '2: f10'])
})

test('when a sequence grows, every subtask hears how far', async () => {
  const clock = new VirtualClock(0)
  const ids = ['f1']
  const coordinator = coordinatorOf(ids, 2, clock)
  await coordinator.start(undefined)
  const found: SplitAssignment[][] = []
  coordinator.watch(
    (assignments) => {
      found.push([...assignments])
      return Promise.resolve()
    },
    (error) => {
      throw error
    },
  )
  await clock.advance(1_000)
  expect(found).toEqual([])
  ids.push('f2')
  await clock.advance(1_000)
  expect(found.map(dealt)).toEqual([['0:', '1: f2']])
  expect(found[0]!.map(({ places }) => places['files'])).toEqual(['f002', 'f002'])
  await coordinator.close()
})
