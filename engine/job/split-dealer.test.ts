import { expect, test } from 'vitest'
import type { ToWorker } from '../worker/protocol.ts'
import type { SplitAssignment } from './source-coordinator.ts'
import { SplitDealer } from './split-dealer.ts'

const source = { uid: 'in', vertex: 3 }

/** One assignment for each subtask, with so many splits. */
function assignments(...counts: readonly number[]): SplitAssignment[] {
  return counts.map((count, subtask) => ({
    subtask,
    splits: Array.from({ length: count }, (_, index) => ({
      id: `${subtask}-${index}`,
      start: null,
      index,
      position: undefined,
      watermarkMs: undefined,
      finished: false,
    })),
    complete: false,
    places: {},
  }))
}

function dealing(): { readonly dealer: SplitDealer; readonly told: string[] } {
  const told: string[] = []
  const workers = {
    tellSubtask: (subtask: number, message: ToWorker) => {
      told.push(`${message.type} ${subtask}`)
    },
  }
  return { dealer: new SplitDealer(workers, undefined), told }
}

test('splits of one discovery are dealt when all who get one hold their watermark', async () => {
  const { dealer, told } = dealing()
  const dealt = dealer.dealLater(source, assignments(2, 0, 1))
  expect(told).toEqual(['expect 0', 'expect 2'])
  dealer.onExpecting({ vertex: 3, subtask: 2 })
  await Promise.resolve()
  expect(told).toHaveLength(2)
  dealer.onExpecting({ vertex: 3, subtask: 0 })
  await dealt
  expect(told.slice(2)).toEqual(['splits 0', 'splits 1', 'splits 2'])
})

test('splits for one subtask alone, and those of the start, need no round', async () => {
  const { dealer, told } = dealing()
  await dealer.dealLater(source, assignments(0, 3))
  dealer.deal(source, assignments(1, 1))
  expect(told).toEqual(['splits 0', 'splits 1', 'splits 0', 'splits 1'])
})
