import type { RowOrder } from '../subject.ts'
import type { Violation } from '../violation.ts'
import type { Invariant } from './invariant.ts'
import { firstDifference } from '../row-difference.ts'

/** I1. */
export const exactlyOnce: Invariant = ({ golden, published, subject }) => {
  const found: Violation[] = []
  for (const [uid, expected] of Object.entries(golden.published)) {
    const rows = published[uid] ?? []
    const difference = firstDifference(expected, rows)
    if (difference !== undefined) {
      found.push({ invariant: 'I1', what: `sink "${uid}": ${difference}` })
    }
    const order = subject.orders?.[uid]
    const disorder = order === undefined ? undefined : firstDisorder(rows, order)
    if (disorder !== undefined) {
      found.push({ invariant: 'I1', what: `sink "${uid}": ${disorder}` })
    }
  }
  return found
}

function firstDisorder(rows: readonly string[], order: RowOrder): string | undefined {
  const last = new Map<string, number>()
  for (const row of rows) {
    const { key, place } = order(row)
    const before = last.get(key)
    if (before !== undefined && place <= before) {
      return `of key ${JSON.stringify(key)}, place ${place} comes after ${before}`
    }
    last.set(key, place)
  }
  return undefined
}
