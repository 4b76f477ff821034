/**
 * Decimal numbers as text and as whole numbers of their smallest unit: 12.30 of scale 2 is 1230n.
 */

/** The unscaled number, or undefined when `text` is no decimal or has more digits than fit. */
export function parseDecimal(text: string, precision: number, scale: number): bigint | undefined {
  const parts = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,4}))?$/.exec(text)
  if (parts === null) return undefined
  const whole = parts[2]!
  const fraction = parts[3] ?? ''
  if (whole === '' && fraction === '') return undefined
  // Moves the point behind the digits to keep; what is cut off has to be zeros.
  const digits = whole + fraction
  const kept = whole.length + Number(parts[4] ?? 0) + scale
  if (kept > digits.length + precision) return /^0*$/.test(digits) ? 0n : undefined
  const cut = kept < digits.length ? digits.slice(Math.max(0, kept)) : ''
  if (/[1-9]/.test(cut)) return undefined
  const unscaled = BigInt(kept <= 0 ? 0 : digits.slice(0, kept).padEnd(kept, '0'))
  if (unscaled >= 10n ** BigInt(precision)) return undefined
  return parts[1] === '-' ? -unscaled : unscaled
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
