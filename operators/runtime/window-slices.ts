import type { WindowData } from '../windows.ts'
import { LocalDays } from './local-days.ts'

/**
 * Cuts time into slices, the largest stretches that every window holds whole or not at all. A
 * record is added to one slice, however many windows it belongs to; a window is what its slices
 * make together.
 *
 * All starts are inclusive, all ends exclusive, epoch ms.
 */
export interface Slices {
  /** Whether each window is one slice. */
  readonly areWindows: boolean
  /** Start of the slice that holds this time. */
  startOf(ms: number): number
  /** End of the slice that begins here: the start of the next. */
  endOf(sliceStart: number): number
  /** Ends of the first and the last window that hold this slice. */
  firstWindowEnd(sliceStart: number): number
  lastWindowEnd(sliceStart: number): number
  /** Whether some window ends here. */
  isWindowEnd(ms: number): boolean
  windowStart(windowEnd: number): number
  nextWindowEnd(windowEnd: number): number
}

export function slicesOf(windows: Exclude<WindowData, { type: 'session' }>): Slices {
  if (windows.type === 'sliding') return new EvenSlices(windows.sizeMs, windows.everyMs, 0)
  if (windows.timeZone === undefined) {
    return new EvenSlices(windows.sizeMs, windows.sizeMs, windows.offsetMs)
  }
  return new LocalSlices(windows.sizeMs, windows.offsetMs, windows.timeZone)
}

/** Windows of one size that begin at even distances: tumbling and sliding ones. */
class EvenSlices implements Slices {
  readonly areWindows: boolean
  readonly #sizeMs: number
  readonly #everyMs: number
  readonly #offsetMs: number
  readonly #sliceMs: number

  constructor(sizeMs: number, everyMs: number, offsetMs: number) {
    this.#sizeMs = sizeMs
    this.#everyMs = everyMs
    this.#offsetMs = offsetMs
    this.#sliceMs = greatestCommonDivisor(sizeMs, everyMs)
    this.areWindows = sizeMs === everyMs
  }

  startOf(ms: number): number {
    return ms - modulo(ms - this.#offsetMs, this.#sliceMs)
  }

  endOf(sliceStart: number): number {
    return sliceStart + this.#sliceMs
  }

  firstWindowEnd(sliceStart: number): number {
    const last = this.lastWindowEnd(sliceStart)
    const earlier = Math.floor((last - sliceStart - 1) / this.#everyMs)
    return last - earlier * this.#everyMs
  }

  lastWindowEnd(sliceStart: number): number {
    return sliceStart - modulo(sliceStart - this.#offsetMs, this.#everyMs) + this.#sizeMs
  }

  isWindowEnd(ms: number): boolean {
    return modulo(ms - this.#sizeMs - this.#offsetMs, this.#everyMs) === 0
  }

  windowStart(windowEnd: number): number {
    return windowEnd - this.#sizeMs
  }

  nextWindowEnd(windowEnd: number): number {
    return windowEnd + this.#everyMs
  }
}

const DAY_MS = 86_400_000

/**
 * Tumbling windows of a time zone. A day begins `offsetMs` past midnight by the clocks of the zone.
 * Of whole days: so many local days, counted from 1970-01-01. Others begin at the start of each
 * local day and every size after it; the last is cut short by the next day.
 */
class LocalSlices implements Slices {
  readonly areWindows = true
  readonly #days: LocalDays
  readonly #sizeMs: number
  readonly #wholeDays: number

  constructor(sizeMs: number, offsetMs: number, timeZone: string) {
    this.#days = new LocalDays(timeZone, offsetMs)
    this.#sizeMs = sizeMs
    this.#wholeDays = sizeMs % DAY_MS === 0 ? sizeMs / DAY_MS : 0
  }

  startOf(ms: number): number {
    const day = this.#days.dayOf(ms)
    if (this.#wholeDays > 0) return this.#days.startOf(day - modulo(day, this.#wholeDays))
    const start = this.#days.startOf(day)
    return ms - modulo(ms - start, this.#sizeMs)
  }

  endOf(sliceStart: number): number {
    const day = this.#days.dayOf(sliceStart)
    if (this.#wholeDays > 0) return this.#days.startOf(day + this.#wholeDays)
    return Math.min(sliceStart + this.#sizeMs, this.#days.startOf(day + 1))
  }

  firstWindowEnd(sliceStart: number): number {
    return this.endOf(sliceStart)
  }

  lastWindowEnd(sliceStart: number): number {
    return this.endOf(sliceStart)
  }

  isWindowEnd(ms: number): boolean {
    return this.startOf(ms) === ms
  }

  windowStart(windowEnd: number): number {
    return this.startOf(windowEnd - 1)
  }

  nextWindowEnd(windowEnd: number): number {
    return this.endOf(windowEnd)
  }
}

function modulo(value: number, divisor: number): number {
  const rest = value % divisor
  return rest < 0 ? rest + divisor : rest
}

function greatestCommonDivisor(left: number, right: number): number {
  let [greater, lesser] = [left, right]
  while (lesser > 0) [greater, lesser] = [lesser, greater % lesser]
  return greater
}
