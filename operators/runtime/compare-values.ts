import { packValue } from '../../engine/stream/value-codec.ts'

/**
 * A total order of plain values, by content alone: equal exactly for values that nothing can tell
 * apart. Numbers and texts compare by value, lists item by item, objects field by field in the
 * order of their names. It breaks ties between records of one key and time.
 */
export function compareValues(left: unknown, right: unknown): number {
  if (left === right) return left === 0 ? 1 / left - 1 / (right as number) || 0 : 0
  const rank = rankOf(left)
  const difference = rank - rankOf(right)
  if (difference !== 0) return difference
  switch (rank) {
    case NUMBER:
      return compareNumbers(left as number, right as number)
    case BOOLEAN:
    case BIGINT:
    case TEXT:
      return (left as string) < (right as string) ? -1 : 1
    case LIST:
      return compareLists(left as readonly unknown[], right as readonly unknown[])
    case OBJECT:
      return compareObjects(left as Fields, right as Fields)
    case OTHER:
      return Buffer.compare(packValue(left), packValue(right))
    default:
      return 0
  }
}

type Fields = Readonly<Record<string, unknown>>

const UNDEFINED = 0
const NULL = 1
const BOOLEAN = 2
const NUMBER = 3
const BIGINT = 4
const TEXT = 5
const LIST = 6
const OBJECT = 7
/** Bytes, dates, maps, sets: by what they are packed to. */
const OTHER = 8

function rankOf(value: unknown): number {
  switch (typeof value) {
    case 'undefined':
      return UNDEFINED
    case 'boolean':
      return BOOLEAN
    case 'number':
      return NUMBER
    case 'bigint':
      return BIGINT
    case 'string':
      return TEXT
    case 'object':
      break
    default:
      return OTHER
  }
  if (value === null) return NULL
  if (Array.isArray(value)) return LIST
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null ? OBJECT : OTHER
}

/** Neither is equal to the other. NaN comes last. */
function compareNumbers(left: number, right: number): number {
  if (left !== left) return right !== right ? 0 : 1
  if (right !== right) return -1
  return left < right ? -1 : 1
}

function compareLists(left: readonly unknown[], right: readonly unknown[]): number {
  const common = Math.min(left.length, right.length)
  for (let index = 0; index < common; index += 1) {
    const order = compareValues(left[index], right[index])
    if (order !== 0) return order
  }
  return left.length - right.length
}

function compareObjects(left: Fields, right: Fields): number {
  const ours = Object.keys(left).sort()
  const theirs = Object.keys(right).sort()
  const common = Math.min(ours.length, theirs.length)
  for (let index = 0; index < common; index += 1) {
    const [name, other] = [ours[index]!, theirs[index]!]
    if (name !== other) return name < other ? -1 : 1
    const order = compareValues(left[name], right[name])
    if (order !== 0) return order
  }
  return ours.length - theirs.length
}
