/**
 * The schema of rows nobody declared, from the rows.
 *
 * R1. The schema holds every value of the rows it was made from, exactly.
 * R2. Widening never narrows: what fitted before fits after.
 */
import type { MarkUse, WireField } from './wire-schema.ts'
import { VALUE_COLUMN } from './columns.ts'
import { WireSchema } from './wire-schema.ts'

/** With more fields in all, rows are packed whole. */
const FIELDS_MAX = 256

type Kind = WireField['kind']

interface Draft {
  kind: Kind
  marks: MarkUse
  /** Rows that have the field. */
  seen: number
}

/** The schema of `rows[from .. from + count)`, wide enough for `before` as well if it is given. */
export function shapeOfRows(
  rows: readonly unknown[],
  from: number,
  count: number,
  before?: WireSchema,
): WireSchema {
  const fields = fieldsOfRows(rows, from, count, before)
  return fields === undefined ? wholeShape(rows, from, count, before) : new WireSchema(fields)
}

/** Tells rows with the same fields from others, and undefined for what is no record of fields. */
export function fieldsSign(row: unknown): string | undefined {
  return isRecord(row) ? Object.keys(row).sort().join('\u0000') : undefined
}

/** The narrowest kind that holds a value; null and undefined are marks, not values. */
export function kindOf(value: unknown): Kind {
  switch (typeof value) {
    case 'number':
      return (value | 0) === value && !Object.is(value, -0) ? 'int32' : 'float64'
    case 'string':
      return 'utf8'
    case 'boolean':
      return 'bool'
    case 'bigint':
      return BigInt.asIntN(64, value) === value ? 'int64' : 'packed'
    case 'object':
      if (value === null) return 'nothing'
      return value.constructor === Uint8Array ? 'binary' : 'packed'
    case 'undefined':
      return 'nothing'
    default:
      return 'packed'
  }
}

function joinKinds(a: Kind, b: Kind): Kind {
  if (a === b || b === 'nothing') return a
  if (a === 'nothing') return b
  const isNumber = (a === 'int32' || a === 'float64') && (b === 'int32' || b === 'float64')
  return isNumber ? 'float64' : 'packed'
}

/**
 * Undefined where some row has to be packed whole: it is no object of fields, or has none, or one
 * that looks like an index (an array has these too).
 */
function fieldsOfRows(
  rows: readonly unknown[],
  from: number,
  count: number,
  before: WireSchema | undefined,
): WireField[] | undefined {
  const drafts = new Map<string, Draft>()
  for (const field of before?.isWhole === false ? before.fields : []) {
    drafts.set(field.name, { kind: field.kind, marks: field.marks, seen: 0 })
  }
  for (let index = from; index < from + count; index += 1) {
    const row = rows[index]
    if (!isRecord(row)) return undefined
    const names = Object.keys(row)
    if (names.length === 0 || names.length > FIELDS_MAX || isIndex(names[0]!)) return undefined
    for (const name of names) {
      const value = row[name]
      let draft = drafts.get(name)
      if (draft === undefined) {
        draft = { kind: 'nothing', marks: before === undefined ? 'none' : 'missing', seen: 0 }
        if (drafts.size === FIELDS_MAX) return undefined
        drafts.set(name, draft)
      }
      draft.seen += 1
      draft.kind = joinKinds(draft.kind, kindOf(value))
      if ((value === null || value === undefined) && draft.marks === 'none') draft.marks = 'nulls'
    }
  }
  return [...drafts].map(([name, { kind, marks, seen }]) => {
    return { name, kind, marks: seen < count ? 'missing' : marks }
  })
}

function wholeShape(
  rows: readonly unknown[],
  from: number,
  count: number,
  before: WireSchema | undefined,
): WireSchema {
  const known = before?.isWhole === true ? before.fields[0]! : undefined
  let kind: Kind = known?.kind ?? 'nothing'
  let marks: MarkUse = known?.marks ?? 'none'
  for (let index = from; index < from + count; index += 1) {
    const row = rows[index]
    if (row === null || row === undefined) marks = 'nulls'
    kind = joinKinds(kind, kindOf(row))
  }
  return new WireSchema([{ name: VALUE_COLUMN, kind, marks }])
}

/** Integer-like names come first among the keys of an object, so one look is enough. */
function isIndex(name: string): boolean {
  return /^\d+$/.test(name)
}

function isRecord(row: unknown): row is Readonly<Record<string, unknown>> {
  return typeof row === 'object' && row !== null
}
