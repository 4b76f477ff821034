/** Days of ISO 8601, in the proleptic Gregorian calendar, with no clock and no zone. */

/** The range of ECMAScript's own dates: what every reader of a table can hold. */
const DAY_MAX = 100_000_000

/**
 * Days since 1970-01-01 of `YYYY-MM-DD` or `±YYYYYY-MM-DD`. Undefined for a text that is no such
 * day, or for a day more than 100,000,000 days from 1970.
 */
export function parseDay(text: string): number | undefined {
  const parts = /^(\d{4}|[+-]\d{6})-(\d\d)-(\d\d)$/.exec(text)
  if (parts === null) return undefined
  const day = dayOf(Number(parts[1]), Number(parts[2]), Number(parts[3]))
  return day !== undefined && isDay(day) ? day : undefined
}

/** Whether a value is a number of days since 1970-01-01 that a date column can hold. */
export function isDay(value: unknown): value is number {
  return Number.isInteger(value) && Math.abs(value as number) <= DAY_MAX
}

/** `YYYY-MM-DD` of a day since 1970-01-01; six digits and a sign outside of the years 0 to 9999. */
export function formatDay(day: number): string {
  const [year, month, date] = civilOf(day)
  const digits =
    year >= 0 && year <= 9_999
      ? String(year).padStart(4, '0')
      : `${year < 0 ? '-' : '+'}${String(Math.abs(year)).padStart(6, '0')}`
  return `${digits}-${String(month).padStart(2, '0')}-${String(date).padStart(2, '0')}`
}

/**
 * Below 0, 0 or above 0, as the day `left` is before, the same as, or behind `right`; NaN where one
 * of them is no day.
 */
export function compareDays(left: string, right: string): number {
  return dayFrom(left) - dayFrom(right)
}

function dayFrom(text: string): number {
  return parseDay(text) ?? NaN
}

/** Years are counted from March here, so that the leap day is the last one (H. Hinnant). */
function dayOf(year: number, month: number, date: number): number | undefined {
  if (month < 1 || month > 12 || date < 1 || date > 31) return undefined
  const shifted = month <= 2 ? year - 1 : year
  const era = Math.floor(shifted / 400)
  const yearOfEra = shifted - era * 400
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + date - 1
  const dayOfEra =
    yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear
  const day = era * 146_097 + dayOfEra - 719_468
  // 31 April comes back as 1 May.
  const [, sameMonth, sameDate] = civilOf(day)
  return sameMonth === month && sameDate === date ? day : undefined
}

function civilOf(day: number): readonly [year: number, month: number, date: number] {
  const shifted = day + 719_468
  const era = Math.floor(shifted / 146_097)
  const dayOfEra = shifted - era * 146_097
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1_460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  )
  const dayOfYear =
    dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const fromMarch = Math.floor((5 * dayOfYear + 2) / 153)
  const date = dayOfYear - Math.floor((153 * fromMarch + 2) / 5) + 1
  const month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9
  return [yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, date]
}
