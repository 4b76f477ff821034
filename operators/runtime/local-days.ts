import { isTime } from '../../engine/stream/value-fit.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** No zone is further than this from UTC. */
const OFFSET_MAX_MS = 16 * HOUR_MS
const DAYS_MAX = 10_000

/**
 * The days of a time zone as stretches of time: of 23 or 25 hours where the clocks change.
 *
 * D1. Day `n` is the n-th after 1970-01-01. It begins at the first moment when the clocks of the
 *     zone show `offsetMs` past the midnight of its date, or more: where that time is skipped, at
 *     the first moment behind the gap; where it comes twice, at the first. Days follow each other
 *     without a gap.
 */
export class LocalDays {
  readonly #offsetMs: number
  readonly #format: Intl.DateTimeFormat
  readonly #starts = new Map<number, number>()
  #lastDay = 0

  constructor(timeZone: string, offsetMs: number) {
    this.#offsetMs = offsetMs
    this.#format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      calendar: 'gregory',
      numberingSystem: 'latn',
      era: 'short',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
      hourCycle: 'h23',
    })
  }

  /** The day that holds this moment. */
  dayOf(ms: number): number {
    let day = this.#lastDay
    if (ms < this.startOf(day) || ms >= this.startOf(day + 1)) {
      day = Math.floor((this.#clockOf(ms) - this.#offsetMs) / DAY_MS)
      while (this.startOf(day) > ms) day -= 1
      while (this.startOf(day + 1) <= ms) day += 1
      this.#lastDay = day
    }
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
    const clock = day * DAY_MS + this.#offsetMs
    const before = clock - OFFSET_MAX_MS
    const behind = clock + OFFSET_MAX_MS
    const aheadBefore = this.#clockOf(before) - before
    const aheadBehind = this.#clockOf(behind) - behind
    const start = clock - aheadBefore
    if (aheadBefore === aheadBehind) return start
    const change = this.#findChange(before, behind, aheadBefore)
    return start < change ? start : Math.max(change, clock - aheadBehind)
  }

  /** The moment between two, from which on the clocks are no longer `ahead` of UTC by so much. */
  #findChange(from: number, to: number, ahead: number): number {
    let [before, at] = [from, to]
    while (at - before > 1) {
      const middle = Math.floor((before + at) / 2)
      if (this.#clockOf(middle) - middle === ahead) before = middle
      else at = middle
    }
    return at
  }

  /** What the clocks of the zone show at a moment, as if they showed UTC. */
  #clockOf(ms: number): number {
    // The language knows no date out there.
    if (!isTime(ms)) return ms
    const parts: Record<string, number> = {}
    let isBefore = false
    for (const { type, value } of this.#format.formatToParts(ms)) {
      if (type === 'era') isBefore = value.startsWith('B')
      else parts[type] = Number(value)
    }
    const { year, month, day, hour, minute, second } = parts as Record<ClockPart, number>
    const days = daysSinceEpoch(isBefore ? 1 - year : year, month, day)
    const milliseconds = ms - Math.floor(ms / 1_000) * 1_000
    return days * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1_000 + milliseconds
  }
}

type ClockPart = 'year' | 'month' | 'day' | 'hour' | 'minute' | 'second'

/** Days from 1970-01-01 to a date of the Gregorian calendar; years are counted from March. */
function daysSinceEpoch(year: number, month: number, day: number): number {
  const marchYear = month <= 2 ? year - 1 : year
  const era = Math.floor(marchYear / 400)
  const yearOfEra = marchYear - era * 400
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1
  const leapDays = Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100)
  return era * 146_097 + yearOfEra * 365 + leapDays + dayOfYear - 719_468
}
