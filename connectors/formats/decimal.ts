/**
 * Decimal numbers as text and as whole numbers of their smallest unit: 12.30 of scale 2 is 1230n.
 */

/** A sign, digits with or without a point, and an exponent. Groups: sign, whole, fraction, exponent. */
const NUMBER = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/

/** Whether a text is a number in digits. */
export function isNumber(text: string): boolean {
  const parts = NUMBER.exec(text)
  return parts !== null && parts[2]! + (parts[3] ?? '') !== ''
}

/** The unscaled number, or undefined when `text` is no decimal or has more digits than fit. */
export function parseDecimal(text: string, precision: number, scale: number): bigint | undefined {
  const parts = NUMBER.exec(text)
  if (parts === null) return undefined
  const written = parts[2]! + (parts[3] ?? '')
  if (written === '') return undefined
  // Moves the point behind the digits to keep; what is cut off has to be zeros.
  const digits = written.replace(/^0+/, '')
  if (digits === '') return 0n
  const whole = parts[2]!.length - (written.length - digits.length)
  const kept = whole + Number(parts[4] ?? 0) + scale
  if (kept > precision) return undefined
  const cut = kept < digits.length ? digits.slice(Math.max(0, kept)) : ''
  if (/[1-9]/.test(cut)) return undefined
  const unscaled = BigInt(kept <= 0 ? 0 : digits.slice(0, kept).padEnd(kept, '0'))
  return parts[1] === '-' ? -unscaled : unscaled
}

/**
 * The float64 that is nearest to a number. Undefined for a text that is no number, and for a number
 * that would not be told apart from another by it: one beyond the largest, one so small that it
 * becomes 0, and a whole number, written as such, that is no float64 (2^53 + 1, but not 0.1).
 */
export function parseFloat64(text: string): number | undefined {
  const parts = NUMBER.exec(text)
  if (parts === null) return undefined
  const digits = parts[2]! + (parts[3] ?? '')
  if (digits === '') return undefined
  const number = Number(text)
  if (!Number.isFinite(number) || (number === 0 && /[1-9]/.test(digits))) return undefined
  const isSmall = Math.abs(number) <= Number.MAX_SAFE_INTEGER
  if (isSmall || parts[3] !== undefined || parts[4] !== undefined) return number
  const written = BigInt(digits)
  const isKept = written === BigInt(Math.abs(number)) || written === shortestOf(number)
  return isKept ? number : undefined
}

/** The whole number of fewest digits that is read as this float64: 10^21 + 2^60 prints short. */
function shortestOf(number: number): bigint | undefined {
  return parseDecimal(String(Math.abs(number)), 309, 0)
}

export function floorDivide(value: bigint, divisor: bigint): bigint {
  const quotient = value / divisor
  return value < 0n && quotient * divisor !== value ? quotient - 1n : quotient
}

/** With all digits of its scale: 1230n of scale 2 is 12.30. */
export function formatDecimal(unscaled: bigint, scale: number): string {
  const sign = unscaled < 0n ? '-' : ''
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, '0')
  if (scale === 0) return sign + digits
  return `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}

/**
 * As `parseDecimal` for plain short texts, as a number; NaN where it takes parseDecimal to tell.
 * Fifteen digits are always exact.
 */
export function parseShortDecimal(text: string, precision: number, scale: number): number {
  const negative = text.charCodeAt(0) === MINUS
  let unscaled = 0
  let fraction = -1
  for (let at = negative ? 1 : 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code === POINT && fraction < 0) fraction = 0
    else if (code < ZERO || code > ZERO + 9) return NaN
    else {
      unscaled = unscaled * 10 + (code - ZERO)
      if (fraction >= 0) fraction += 1
    }
  }
  const missing = scale - Math.max(0, fraction)
  const digits = text.length - (negative ? 1 : 0) - (fraction < 0 ? 0 : 1)
  if (digits === 0 || missing < 0 || digits + missing > 15) return NaN
  unscaled *= POWERS[missing]!
  if (precision < 15 && unscaled >= POWERS[precision]!) return NaN
  return negative ? -unscaled : unscaled
}

const MINUS = 45
const POINT = 46
const ZERO = 48
const POWERS = Array.from({ length: 16 }, (_, exponent) => 10 ** exponent)
