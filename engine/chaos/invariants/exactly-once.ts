import type { RowOrder } from '../subject.ts'
import type { Violation } from '../violation.ts'
import type { Invariant } from './invariant.ts'
import { firstDifference } from '../subject.ts'

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

function firstDisorder(rows: readonly string[], { key, by }: RowOrder): string | undefined {
  const last = new Map<unknown, number>()
  for (const text of rows) {
    const row = JSON.parse(text) as Readonly<Record<string, unknown>>
    const at = Number(row[by])
    const before = last.get(row[key])
    if (before !== undefined && at < before) {
      return `of key ${JSON.stringify(row[key])}, ${by} ${at} comes after ${before}`
    }
    last.set(row[key], at)
  }
  return undefined
}
