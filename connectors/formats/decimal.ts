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
