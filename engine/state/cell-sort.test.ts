import { describe, expect, it } from 'vitest'
import { SORTED_CELLS, sortCells } from './cell-sort.ts'
import type { Cell } from './cell.ts'
import { VALUE, bareCell } from './cell.ts'

function cellOf(sort: string): Cell {
  return bareCell(sort, sort.length, VALUE)
}

/** The same numbers in every run. */
function numbersBelow(limit: number, count: number): number[] {
  let seed = 7
  return Array.from({ length: count }, () => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fff_ffff
    return (seed >> 8) % limit
  })
}

function expectSorted(texts: readonly string[]): void {
  const sorted = sortCells(texts.map((text) => cellOf(text))).map(({ sort }) => sort)
  expect(sorted).toEqual([...texts].sort())
}

describe('sortCells', () => {
  it('orders texts of any bytes and lengths as a plain sort does', () => {
    for (const alphabet of [1, 2, 3, 256]) {
      for (const most of [0, 1, 4, 6, 20]) {
        const lengths = numbersBelow(most + 1, 400)
        const codes = numbersBelow(alphabet, 400 * (most + 1))
        const texts = lengths.map((length, index) =>
          String.fromCharCode(...codes.slice(index * (most + 1), index * (most + 1) + length)),
        )
        expectSorted(texts)
      }
    }
  })

  it('orders texts that are equal for longer than a number holds', () => {
    const texts = numbersBelow(1_000, 3_000).map((number) => `customer-of-berlin-${number}`)
    expectSorted(texts)
    expectSorted(texts.map((text) => `${text}${text}`))
  })

  it('tells a text from the same with a character 0 at its end', () => {
    expectSorted(Array.from({ length: 20 }, (_, index) => '\0'.repeat((index * 7) % 20)))
  })

  it('sorts none, one, and more than it can number', () => {
    expectSorted([])
    expectSorted(['a'])
    const many = numbersBelow(1_000_000, SORTED_CELLS + 100).map((number) => `${number}`)
    expectSorted(many)
    expectSorted(many.slice(0, SORTED_CELLS))
  })

  it('keeps cells of the same text in the order they came', () => {
    const cells = Array.from({ length: 100 }, (_, index) => ({
      ...cellOf(`k${index % 2}`),
      start: index,
    }))
    const values = sortCells(cells).map(({ start }) => start)
    expect(values.slice(0, 50)).toEqual(Array.from({ length: 50 }, (_, index) => index * 2))
  })
})
