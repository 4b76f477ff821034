/** What each of two sides is called. */
export interface Sides {
  /** Said of a row that only the first has. */
  readonly missing: string
  /** Said of a row that the second has, or has more often. */
  readonly extra: string
  readonly first: string
  readonly second: string
}

const JUDGED: Sides = {
  missing: 'is missing',
  extra: 'is published too often',
  first: 'expected',
  second: 'found',
}

/**
 * In words; undefined when both hold the same rows, in any order. A row that is there in another
 * form is told with what is there instead.
 */
export function firstDifference(
  expected: readonly string[],
  found: readonly string[],
  sides: Sides = JUDGED,
): string | undefined {
  const counts = new Map<string, number>()
  for (const row of expected) counts.set(row, (counts.get(row) ?? 0) + 1)
  for (const row of found) counts.set(row, (counts.get(row) ?? 0) - 1)
  const missing = [...counts].filter(([, count]) => count > 0)
  const extra = [...counts].filter(([, count]) => count < 0).map(negated)
  if (missing.length === 0 && extra.length === 0) return undefined
  const pair = firstPair(missing, extra)
  if (pair === undefined) {
    const parts = [said(missing, sides.missing), said(extra, sides.extra)]
    return parts.filter((part) => part !== '').join('; ')
  }
  const [one, other] = shortenedPair(...pair)
  const [lost, added] = [total(missing), total(extra)]
  const rows = (count: number): string => `${count} ${count === 1 ? 'row' : 'rows'}`
  const what =
    lost === added
      ? `${rows(lost)} ${lost === 1 ? 'differs' : 'differ'}`
      : `${rows(lost)} ${verb(sides.missing, lost)}, ${rows(added)} ${verb(sides.extra, added)}`
  return `${what}: ${sides.first} ${one} / ${sides.second} ${other}`
}

type Counted = readonly [row: string, count: number]

function negated([row, count]: Counted): Counted {
  return [row, -count]
}

function verb(words: string, count: number): string {
  return count === 1 ? words : words.replace(/^is /, 'are ')
}

function said(rows: readonly Counted[], words: string): string {
  const [first, ...others] = rows
  if (first === undefined) return ''
  const all = others.length === 0 ? '' : ` (${total(rows)} rows in all)`
  return `${first[1]} × ${shortened(first[0], 0)} ${words}${all}`
}

function total(rows: readonly Counted[]): number {
  return rows.reduce((sum, [, count]) => sum + count, 0)
}

/** Rows are compared with so many others at most. */
const TRIED = 1_000

/** The first row that only one has, and the row of the other that is most like it. */
function firstPair(
  missing: readonly Counted[],
  extra: readonly Counted[],
): readonly [string, string] | undefined {
  const others = extra.slice(0, TRIED).map(([row]) => ({ row, fields: fieldsOf(row) }))
  for (const [row] of missing.slice(0, 10)) {
    const fields = fieldsOf(row)
    const likeness = others.map((other) => likenessOf(fields, other.fields))
    const most = Math.max(...likeness)
    if (most >= 0.5) return [row, others[likeness.indexOf(most)]!.row]
  }
  return undefined
}

/** Fields of a row that is a JSON object, behind the folder of its partition if it has one. */
function fieldsOf(row: string): ReadonlyMap<string, string> {
  try {
    const from = Math.max(0, row.indexOf('{'))
    const value: unknown = JSON.parse(row.slice(from))
    if (typeof value !== 'object' || value === null) return new Map()
    const fields = Object.entries(value).map(
      ([name, field]) => [name, JSON.stringify(field)] as const,
    )
    return new Map(from === 0 ? fields : [...fields, ['', row.slice(0, from)]])
  } catch {
    return new Map()
  }
}

/** The share of the fields that are the same. */
function likenessOf(one: ReadonlyMap<string, string>, other: ReadonlyMap<string, string>): number {
  const same = [...one].filter(([name, text]) => other.get(name) === text).length
  return same / Math.max(1, one.size, other.size)
}

const ROW_SHOWN = 200
/** Of what two long rows have in common, so much is shown before they differ. */
const COMMON_SHOWN = 60

/** Of long rows, the part that differs. */
function shortenedPair(one: string, other: string): readonly [string, string] {
  if (Math.max(one.length, other.length) <= ROW_SHOWN) return [one, other]
  let common = 0
  while (common < one.length && one[common] === other[common]) common += 1
  const from = Math.max(0, common - COMMON_SHOWN)
  return [shortened(one, from), shortened(other, from)]
}

function shortened(row: string, from: number): string {
  const end = from + ROW_SHOWN
  return `${from === 0 ? '' : '…'}${row.slice(from, end)}${row.length <= end ? '' : '…'}`
}
