import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { OperatorSubject } from '../../engine/testing/operator-host.ts'
import type { TestElement } from '../../engine/testing/index.ts'
import type { TopNOptions } from './top-n.ts'
import { record, verifyOperator, watermark } from '../../engine/testing/index.ts'
import { createTopN, WINDOW_KEY } from './top-n.ts'

function topN(n: number, options: Partial<TopNOptions> = {}): OperatorSubject {
  const given = { n, by: 'bids', order: 'descending', schema: undefined, ...options } as const
  return { ...createTopN(given), keys: [WINDOW_KEY] }
}

interface Row {
  readonly auction: string
  readonly bids: number | bigint | null
  readonly windowStart: number
  readonly windowEnd: number
}

const row = (auction: string, bids: Row['bids'], windowEnd = 10): Row => ({
  auction,
  bids,
  windowStart: windowEnd - 10,
  windowEnd,
})

const ranked = (from: Row, rank: number): TestElement =>
  record({ ...from, rank }, from.windowEnd - 1)

test('the best rows of each window come out with their ranks when the watermark has passed it', () => {
  verifyOperator(topN(2))
    .input(
      record(row('a', 3), 9),
      record(row('b', 7), 9),
      record(row('c', 5), 9),
      record(row('a', 1, 20), 19),
      watermark(8),
      watermark(19),
    )
    .expect(
      watermark(8),
      ranked(row('b', 7), 1),
      ranked(row('c', 5), 2),
      ranked(row('a', 1, 20), 1),
      watermark(19),
    )
})

test('ascending order ranks the least first, also of bigints; null takes no part', () => {
  verifyOperator(topN(2, { order: 'ascending' }))
    .input(
      record(row('a', 3n), 9),
      record(row('b', null), 9),
      record(row('c', 2n), 9),
      watermark(9),
    )
    .expect(ranked(row('c', 2n), 1), ranked(row('a', 3n), 2), watermark(9))
})

test('equal rows are ranked the same in whatever order they come', () => {
  const rows = [row('a', 1), row('b', 1), row('c', 1), row('d', 2), row('e', 1)]
  const results = new Set<string>()
  fc.assert(
    fc.property(fc.shuffledSubarray(rows, { minLength: rows.length }), (shuffled) => {
      let seen: unknown
      try {
        verifyOperator(topN(3))
          .input(...shuffled.map((one) => record(one, 9)), watermark(9))
          .expect()
      } catch (error) {
        seen = (error as { readonly actual?: unknown }).actual
      }
      results.add(JSON.stringify(seen))
    }),
    { numRuns: 20 },
  )
  expect(results.size).toBe(1)
  expect([...results][0]).toContain('"auction":"d"')
})

test('a row that is no result of a window says what to do', () => {
  expect(() => {
    verifyOperator(topN(1))
      .input(record({ bids: 1, windowStart: 0, windowEnd: null }, 1))
      .expect()
  }).toThrow('topN got a row without a windowEnd')
})
