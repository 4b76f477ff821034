/** What is told of failing runs: of those that are much alike, one in full. */
import { expect, test } from 'vitest'
import type { Examined } from './examine.ts'
import type { InvariantId } from './violation.ts'
import { isMuchLike, violationLines } from './report-card.ts'

const broken = (...invariants: readonly InvariantId[]): Examined =>
  ({
    violations: invariants.map((invariant) => ({ invariant, what: `${invariant} at random` })),
  }) as unknown as Examined

test('runs that broke the same invariants are much alike, however often', () => {
  expect(isMuchLike(broken('I1', 'I2'), [broken('I5'), broken('I2', 'I1', 'I2')])).toBe(true)
  expect(isMuchLike(broken('I1'), [broken('I1', 'I2')])).toBe(false)
  expect(isMuchLike(broken('I1'), [])).toBe(false)
})

test('what follows of a checkpoint that leads elsewhere is said below it', () => {
  const what = 'restored from checkpoint 1.3: sink "out": 1 × {"sum":3} is missing'
  const lines = violationLines([
    { invariant: 'I1', what: 'one' },
    { invariant: 'I2', what },
  ])
  expect(lines.at(-1)).toContain('outside its state, such as in a variable')
  expect(violationLines([{ invariant: 'I1', what: 'one' }])).toHaveLength(2)
})
