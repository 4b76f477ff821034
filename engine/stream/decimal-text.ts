/** Decimal numbers as text: an optional minus, digits, and perhaps a point with digits behind it. */

const DECIMAL = /^-?(\d+)(?:\.(\d+))?$/

/** Leading zeros do not count as digits. */
export function isDecimal(text: string, precision: number, scale: number): boolean {
  const parts = DECIMAL.exec(text)
  if (parts === null) return false
  const whole = parts[1]!.replace(/^0+/, '').length
  return whole <= precision - scale && (parts[2]?.length ?? 0) <= scale
}

/**
 * Below 0, 0 or above 0, as the number `left` is less than, equal to, or greater than `right`;
 * NaN where one of them is no decimal. 1.5 and 1.50 are equal, and so are 0 and -0.
 */
export function compareDecimals(left: string, right: string): number {
  if (left === right && DECIMAL.test(left)) return 0
  const [ours, theirs] = [partsOf(left), partsOf(right)]
  if (ours === undefined || theirs === undefined) return NaN
  if (ours.sign !== theirs.sign) return ours.sign - theirs.sign
  return ours.sign * compareMagnitudes(ours, theirs)
}

/** A number without its sign, and without zeros that say nothing. */
interface DecimalParts {
  readonly sign: -1 | 0 | 1
  readonly whole: string
  readonly fraction: string
}

function partsOf(text: string): DecimalParts | undefined {
  const parts = DECIMAL.exec(text)
  if (parts === null) return undefined
  const whole = parts[1]!.replace(/^0+/, '')
  const fraction = (parts[2] ?? '').replace(/0+$/, '')
  if (whole === '' && fraction === '') return { sign: 0, whole, fraction }
  return { sign: text.startsWith('-') ? -1 : 1, whole, fraction }
}

function compareMagnitudes(left: DecimalParts, right: DecimalParts): number {
  if (left.whole.length !== right.whole.length) return left.whole.length - right.whole.length
  if (left.whole !== right.whole) return left.whole < right.whole ? -1 : 1
  if (left.fraction === right.fraction) return 0
  return left.fraction < right.fraction ? -1 : 1
}
