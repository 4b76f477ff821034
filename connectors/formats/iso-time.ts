/** Instants of ISO 8601, in the proleptic Gregorian calendar, with no clock and no zone. */
import { isTime, parseDay } from '../../engine/index.ts'

const DAY_MS = 86_400_000

/** What becomes of a time that is finer than a millisecond: an error, or the millisecond it is in. */
export type FinerTimes = 'refuse' | 'cut'

/**
 * Epoch milliseconds of a date and time, or of a day alone. `T` or a space between them, seconds
 * and fraction may be left out. No zone means UTC. Undefined for a text that is no such time, and
 * for one finer than a millisecond unless `finer` says to cut it.
 */
export function parseInstant(text: string, finer: FinerTimes): number | undefined {
  const parts = INSTANT.exec(text)
  if (parts === null) return undefined
  const day = parseDay(parts[1]!)
  if (day === undefined) return undefined
  const hour = Number(parts[2] ?? 0)
  const minute = Number(parts[3] ?? 0)
  const second = Number(parts[4] ?? 0)
  if (hour > 23 || minute > 59 || second > 59) return undefined
  const digits = parts[5] ?? ''
  if (finer === 'refuse' && digits.length > 3 && /[1-9]/.test(digits.slice(3))) return undefined
  const fraction = Number(digits.padEnd(3, '0').slice(0, 3))
  const zone = zoneMinutes(parts[6])
  if (zone === undefined) return undefined
  const ms = day * DAY_MS + ((hour * 60 + minute - zone) * 60 + second) * 1_000 + fraction
  return isTime(ms) ? ms : undefined
}

const INSTANT =
  /^((?:\d{4}|[+-]\d{6})-\d\d-\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?([Zz]|[+-]\d\d:?(?:\d\d)?)?)?$/

function zoneMinutes(zone: string | undefined): number | undefined {
  if (zone === undefined || zone === 'Z' || zone === 'z') return 0
  const digits = zone.replace(':', '')
  const hours = Number(digits.slice(1, 3))
  const minutes = Number(digits.slice(3) || 0)
  if (hours > 23 || minutes > 59) return undefined
  return (digits.startsWith('-') ? -1 : 1) * (hours * 60 + minutes)
}
