import { assert } from '../../engine/base/assert.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** No zone is further than this from UTC. */
const OFFSET_MAX_MS = 16 * HOUR_MS
const DAYS_MAX = 10_000

/**
 * The days of a time zone as stretches of time: of 23 or 25 hours where the clocks change.
 *
 * D1. Day `n` is the n-th after 1970-01-01 and begins at the first moment that bears its date,
 *     which need not be midnight. Days follow each other without a gap.
 */
export class LocalDays {
  readonly #format: Intl.DateTimeFormat
  readonly #starts = new Map<number, number>()

  constructor(timeZone: string) {
    this.#format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      calendar: 'gregory',
      numberingSystem: 'latn',
      era: 'short',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
    })
  }

  /** The day that holds this moment. */
  dayOf(ms: number): number {
    let day = this.#dateOf(ms)
    while (this.startOf(day) > ms) day -= 1
    while (this.startOf(day + 1) <= ms) day += 1
    return day
  }

  /** First moment of a day, epoch ms. */
  startOf(day: number): number {
    let start = this.#starts.get(day)
    if (start === undefined) {
      if (this.#starts.size === DAYS_MAX) this.#starts.clear()
      start = this.#findStart(day)
      this.#starts.set(day, start)
    }
    return start
  }

  #findStart(day: number): number {
    let before = day * DAY_MS - OFFSET_MAX_MS
    let at = day * DAY_MS + OFFSET_MAX_MS
    assert(
      this.#dateOf(before) < day && this.#dateOf(at) >= day,
      'a day begins outside of its date',
    )
    while (at - before > 1) {
      const middle = Math.floor((before + at) / 2)
      if (this.#dateOf(middle) < day) before = middle
      else at = middle
    }
    return at
  }

  /** The local date of a moment, as days since 1970-01-01. */
  #dateOf(ms: number): number {
    let [year, month, day, isBefore] = [0, 0, 0, false]
    for (const { type, value } of this.#format.formatToParts(ms)) {
      if (type === 'year') year = Number(value)
      else if (type === 'month') month = Number(value)
      else if (type === 'day') day = Number(value)
      else if (type === 'era') isBefore = value.startsWith('B')
    }
    return daysSinceEpoch(isBefore ? 1 - year : year, month, day)
  }
}

/** Days from 1970-01-01 to a date of the Gregorian calendar; years are counted from March. */
function daysSinceEpoch(year: number, month: number, day: number): number {
  const marchYear = month <= 2 ? year - 1 : year
  const era = Math.floor(marchYear / 400)
  const yearOfEra = marchYear - era * 400
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1
  const leapDays = Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100)
  return era * 146_097 + yearOfEra * 365 + leapDays + dayOfYear - 719_468
}
