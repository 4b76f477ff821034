import { StreamError } from '../../engine/base/errors.ts'
import { ASYNC_HINT, isPromiseLike } from '../../engine/operator/user-error.ts'
import { compareDays } from '../../engine/stream/day.ts'
import { compareDecimals } from '../../engine/stream/decimal-text.ts'
import { heapKey } from '../../engine/stream/key-codec.ts'

/** What generated aggregates compute with. Nulls have been left out before (G1). */

export function sumOf(total: unknown, value: unknown): unknown {
  if (typeof total === 'number') {
    if (typeof value === 'number') return total + value
    // The sum of nothing is the number 0 until a first value shows what is summed.
    if (typeof value === 'bigint' && total === 0) return value
  } else if (typeof total === 'bigint' && typeof value === 'bigint') {
    return total + value
  } else if (typeof total === 'bigint' && total === 0n && typeof value === 'number') {
    return value
  }
  throw mixed('sum', total, value)
}

/** Folds a value that is no number, where numbers are kept apart: there must have been none. */
export function otherOf(
  number: unknown,
  other: unknown,
  value: unknown,
  fold: (folded: unknown, value: unknown) => unknown,
  aggregate: string,
): unknown {
  if (number !== null && number !== 0) throw mixed(aggregate, number, value)
  return fold(other ?? number, value)
}

/** Two sums; either may be of nothing. */
export function mergeSums(left: unknown, right: unknown): unknown {
  return right === 0 || right === 0n ? left : sumOf(left, right)
}

/** The lesser; NaN counts as the greatest number, so that the order of records does not matter. */
export function minOf(least: unknown, value: unknown): unknown {
  if (least === null) return comparable('min', value)
  if (typeof least === 'number' && typeof value === 'number') {
    return value < least || least !== least ? value : least
  }
  if (typeof least === 'string' && typeof value === 'string') return value < least ? value : least
  if (typeof least === 'bigint' && typeof value === 'bigint') return value < least ? value : least
  throw mixed('min', least, value)
}

export function maxOf(greatest: unknown, value: unknown): unknown {
  if (greatest === null) return comparable('max', value)
  if (typeof greatest === 'number' && typeof value === 'number') {
    return value > greatest || value !== value ? value : greatest
  }
  if (typeof greatest === 'string' && typeof value === 'string') {
    return value > greatest ? value : greatest
  }
  if (typeof greatest === 'bigint' && typeof value === 'bigint') {
    return value > greatest ? value : greatest
  }
  throw mixed('max', greatest, value)
}

export function minDecimal(least: unknown, value: unknown): unknown {
  return lesserText('min', 'decimal', compareDecimals, least, value, 1)
}

export function maxDecimal(greatest: unknown, value: unknown): unknown {
  return lesserText('max', 'decimal', compareDecimals, greatest, value, -1)
}

export function minDate(least: unknown, value: unknown): unknown {
  return lesserText('min', 'date', compareDays, least, value, 1)
}

export function maxDate(greatest: unknown, value: unknown): unknown {
  return lesserText('max', 'date', compareDays, greatest, value, -1)
}

/** The lesser text, or with `sign` -1 the greater one. Of equal ones (1.5, 1.50) always the same. */
function lesserText(
  aggregate: string,
  kind: 'decimal' | 'date',
  compare: (left: string, right: string) => number,
  kept: unknown,
  value: unknown,
  sign: 1 | -1,
): unknown {
  if (typeof value !== 'string') throw mixed(aggregate, kept, value)
  if (kept !== null && typeof kept !== 'string') throw mixed(aggregate, kept, value)
  const order = compare(value, kept ?? value)
  if (order !== order) {
    throw new StreamError('VALUE_UNFIT', `${aggregate} found ${JSON.stringify(value)}`, {
      hint: `The field is declared a ${kind}: give it one in the step before.`,
    })
  }
  if (kept === null) return value
  if (order === 0) return value < kept ? value : kept
  return order * sign < 0 ? value : kept
}

export function mergeExtremes(
  left: unknown,
  right: unknown,
  fold: (kept: unknown, value: unknown) => unknown,
): unknown {
  return right === null ? left : fold(left, right)
}

export function averaged(value: unknown): number {
  if (typeof value === 'number') return value
  if (typeof value === 'bigint') return Number(value)
  throw mixed('average', 0, value)
}

/** Adds to the set of different values; values are told apart as keys are. */
export function addDistinct(values: Set<unknown>, value: unknown): Set<unknown> {
  return values.add(heapKey(value))
}

export function mergeDistinct(left: Set<unknown>, right: Set<unknown>): Set<unknown> {
  for (const value of right) left.add(value)
  return left
}

/** What a function of an aggregate returned, which is there at once. */
export function atOnce(value: unknown, part: string, aggregate: string): unknown {
  if (!isPromiseLike(value)) return value
  const message = `"${part}" of the aggregate "${aggregate}" returned a promise`
  throw new StreamError('STEP_ASYNC', message, { hint: ASYNC_HINT })
}

/** A user's accumulator may be changed by its next call; what was handed out must not be. */
export function copyOf(value: unknown): unknown {
  return typeof value === 'object' && value !== null ? structuredClone(value) : value
}

function comparable(aggregate: string, value: unknown): unknown {
  const type = typeof value
  if (type === 'number' || type === 'string' || type === 'bigint') return value
  throw mixed(aggregate, null, value)
}

/** The error of values of different types in one aggregate. */
export function mixed(aggregate: string, before: unknown, value: unknown): StreamError {
  const found = `a value of type ${typeof value}`
  const after = before === null ? '' : ` after one of type ${typeof before}`
  return new StreamError('VALUE_UNFIT', `${aggregate} found ${found}${after}`, {
    hint: 'An aggregate takes values of one type: numbers, or bigints, or, for min and max, texts.',
  })
}
