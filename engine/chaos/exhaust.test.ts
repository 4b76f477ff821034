import { expect, test } from 'vitest'
import type { FaultPointName } from '../faults/points.ts'
import { faultKinds, type FaultKind } from './actions.ts'
import { singleFaults } from './exhaust.ts'

test('every point has its first occurrence tried before any has its second', () => {
  const reached = new Map<FaultPointName, number>([
    ['disk.manifest.write', 9],
    ['coordinator.commit', 2],
    ['barrier.forward', 1],
  ])
  const golden = { published: {}, checkpoints: 4, steps: 1, durationMs: 1, reached }
  const kinds = Object.keys(faultKinds) as FaultKind[]
  const faults = singleFaults(golden, { seed: 1, parallelism: 2, kinds }).map(
    (one) => one.faults[0]!,
  )
  expect(faults.slice(0, 3).map(({ point }) => point)).toEqual([...reached.keys()])
  const numbers = faults.map(({ nth }) => nth)
  expect(numbers).toEqual([...numbers].sort())
  expect(Math.max(...numbers)).toBe(3)
  expect(new Set(faults.map((fault) => JSON.stringify(fault))).size).toBe(faults.length)
})
