/** What people are told of two sets of rows that are not the same. */
import { expect, test } from 'vitest'
import { firstDifference } from './row-difference.ts'

const row = (id: number, cents: number): string => JSON.stringify({ id, shop: 'a', cents })

const cases: readonly (readonly [
  name: string,
  expected: readonly string[],
  found: readonly string[],
  words: string | undefined,
])[] = [
  ['the same rows in another order', [row(1, 2), row(2, 2)], [row(2, 2), row(1, 2)], undefined],
  ['a row that is missing', [row(1, 2), row(2, 2)], [row(2, 2)], `1 × ${row(1, 2)} is missing`],
  [
    'one that is doubled',
    [row(1, 2)],
    [row(1, 2), row(1, 2)],
    `1 × ${row(1, 2)} is published too often`,
  ],
  [
    'several',
    [row(1, 2), row(2, 2), row(3, 2)],
    [row(3, 2)],
    `1 × ${row(1, 2)} is missing (2 rows in all)`,
  ],
  [
    'a row that is another one',
    [row(1, 64), row(2, 64)],
    [row(2, 65), row(1, 64)],
    `1 row differs: expected ${row(2, 64)} / found ${row(2, 65)}`,
  ],
  [
    'the one that is most like it',
    [row(1, 64), row(2, 64), row(3, 64)],
    [row(2, 99), row(3, 99), row(1, 65)],
    `3 rows differ: expected ${row(1, 64)} / found ${row(1, 65)}`,
  ],
  [
    'as many are not there as are',
    [row(1, 64)],
    [row(1, 65), row(7, 8)],
    `1 row is missing, 2 rows are published too often: expected ${row(1, 64)} / found ${row(1, 65)}`,
  ],
  [
    'rows that have nothing in common',
    ['{"a":1}'],
    ['{"b":2}'],
    '1 × {"a":1} is missing; 1 × {"b":2} is published too often',
  ],
  ['no JSON', ['one'], ['two'], '1 × one is missing; 1 × two is published too often'],
  [
    'partitions',
    [`day=1/${row(1, 2)}`],
    [`day=2/${row(1, 2)}`],
    `1 row differs: expected day=1/${row(1, 2)} / found day=2/${row(1, 2)}`,
  ],
]

test.each(cases)('%s', (_, expected, found, words) => {
  expect(firstDifference(expected, found)).toBe(words)
})

test('of long rows, the part that differs is shown', () => {
  const long = (n: number): string => JSON.stringify({ id: 1, text: 'x'.repeat(5_000), n })
  const words = firstDifference([long(1)], [long(2)])!
  expect(words).toContain('"n":1} / found …')
  expect(words.endsWith('"n":2}')).toBe(true)
  expect(words.length).toBeLessThan(500)
})

test('sides have their own words', () => {
  const sides = {
    missing: 'is in the first alone',
    extra: 'is in the second alone',
    first: 'the first has',
    second: 'the second',
  }
  expect(firstDifference([row(1, 2)], [], sides)).toBe(`1 × ${row(1, 2)} is in the first alone`)
  expect(firstDifference([row(1, 2)], [row(1, 3)], sides)).toBe(
    `1 row differs: the first has ${row(1, 2)} / the second ${row(1, 3)}`,
  )
})
