/** Days and instants of ISO 8601, in the proleptic Gregorian calendar, with no clock and no zone. */

const DAY_MS = 86_400_000
/** As far as an instant of ECMAScript goes, to either side of 1970. */
const INSTANT_MS_MAX = 8_640_000_000_000_000

/** Days since 1970-01-01 of `YYYY-MM-DD` (or ±YYYYYY-MM-DD), or undefined when it is no such day. */
export function parseDay(text: string): number | undefined {
  const parts = /^(\d{4}|[+-]\d{6})-(\d\d)-(\d\d)$/.exec(text)
  if (parts === null) return undefined
  return dayOf(Number(parts[1]), Number(parts[2]), Number(parts[3]))
}

/**
 * Epoch milliseconds of a date and time, or of a day alone. `T` or a space between them, seconds
 * and fraction may be left out, digits beyond milliseconds are cut. No zone means UTC.
 */
export function parseInstant(text: string): number | undefined {
  const parts = INSTANT.exec(text)
  if (parts === null) return undefined
  const day = parseDay(parts[1]!)
  if (day === undefined) return undefined
  const hour = Number(parts[2] ?? 0)
  const minute = Number(parts[3] ?? 0)
  const second = Number(parts[4] ?? 0)
  if (hour > 23 || minute > 59 || second > 59) return undefined
  const fraction = Number((parts[5] ?? '').padEnd(3, '0').slice(0, 3))
  const zone = zoneMinutes(parts[6])
  if (zone === undefined) return undefined
  const ms = day * DAY_MS + ((hour * 60 + minute - zone) * 60 + second) * 1_000 + fraction
  return Math.abs(ms) <= INSTANT_MS_MAX ? ms : undefined
}

const INSTANT =
  /^((?:\d{4}|[+-]\d{6})-\d\d-\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?([Zz]|[+-]\d\d:?(?:\d\d)?)?)?$/

/** `YYYY-MM-DD` of a day since 1970-01-01; six digits and a sign outside of the years 0 to 9999. */
export function formatDay(day: number): string {
  const [year, month, date] = civilOf(day)
  const digits =
    year >= 0 && year <= 9_999
      ? String(year).padStart(4, '0')
      : `${year < 0 ? '-' : '+'}${String(Math.abs(year)).padStart(6, '0')}`
  return `${digits}-${String(month).padStart(2, '0')}-${String(date).padStart(2, '0')}`
}

function zoneMinutes(zone: string | undefined): number | undefined {
  if (zone === undefined || zone === 'Z' || zone === 'z') return 0
  const digits = zone.replace(':', '')
  const hours = Number(digits.slice(1, 3))
  const minutes = Number(digits.slice(3) || 0)
  if (hours > 23 || minutes > 59) return undefined
  return (digits.startsWith('-') ? -1 : 1) * (hours * 60 + minutes)
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
