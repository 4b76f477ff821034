import type { Clock } from '../base/clock.ts'
import type { Pace } from './cell-merge.ts'

/**
 * What snapshots get of a worker's time while its tasks have work. Records pay besides: they keep
 * what they change of a snapshot under way, and meet cold caches. Together that is about a fifth.
 */
export const SHARE = 0.12
/** Cost of one slice while nobody else has work: well below a millisecond. */
const IDLE_SLICE = 512
/** What a snapshot gets of every turn, however little the turn did. */
export const TURN_SLICE_MIN = 32
/** What it gets at most, so that a turn of slow functions is not followed by as long a pause. */
const TURN_SLICE_MAX = 64 * 1_024
/** Bytes that cost as much as a cell does by itself. */
const CELL_COST_BYTES = 128
/** How many units of a task's work take as long as one of a snapshot's, until it is measured. */
const UNITS_A_COST = 2
/** Of what was measured earlier, what still counts at the next measurement. */
const MEMORY = 0.95

/**
 * The share that snapshots have of one worker. Tasks count their work in units (records and steps),
 * snapshots theirs in cells; each turn of the worker's loop pays for cells in proportion to the
 * units that it did. So the share holds however long a turn is.
 *
 * The clock measures, over many turns, what a unit and a cell take. In a simulation the clock
 * stands still while code runs. Then UNITS_A_COST is used, so the same seed gives the same run.
 *
 * S1. While tasks have work, what waits goes on only when a turn has paid for it.
 * S2. While they have none, it goes on slice by slice, and others look in between two slices.
 * S3. Every turn pays for something: what costs N is done after at most N / TURN_SLICE_MIN turns.
 */
export class WorkShare {
  readonly #clock: Clock
  readonly #units: Price
  readonly #cells: Price
  #waiting: SharePace[] = []
  #isIdle = true
  #isScheduled = false
  /** Since when nothing but snapshots has run; undefined when that is not known. */
  #sinceMs: number | undefined

  constructor(clock: Clock) {
    this.#clock = clock
    this.#units = new Price()
    this.#cells = new Price()
  }

  /** For one writer: what it spends has to come from this share. */
  pace(): Pace {
    return new SharePace(this)
  }

  /** A turn of the loop begins: what the clock shows from now on is no snapshot's. */
  turnBegins(): void {
    this.#sinceMs = undefined
  }

  /** The turn is over. It did `units` of work in `ms`. */
  turnEnds(units: number, ms: number): void {
    this.#isIdle = false
    if (this.#waiting.length === 0) return
    this.#units.add(units, ms)
    const credit = grantOf(units, this.#unitsACost())
    const waiting = this.#waiting
    this.#waiting = []
    this.#sinceMs = this.#clock.monotonicMs()
    for (const pace of waiting) pace.goOn(Math.ceil(credit / waiting.length))
  }

  /** No task has work, or none will run again: snapshots get all of the time. */
  idle(): void {
    this.#isIdle = true
    if (this.#waiting.length > 0) this.#schedule()
  }

  /** Called by a pace that has used up what it had. It goes on by `goOn`. */
  wait(pace: SharePace, spent: number): void {
    if (this.#sinceMs !== undefined) {
      const nowMs = this.#clock.monotonicMs()
      this.#cells.add(spent, nowMs - this.#sinceMs)
      this.#sinceMs = nowMs
    }
    this.#waiting.push(pace)
    if (this.#isIdle) this.#schedule()
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#clock.immediate(() => {
      this.#isScheduled = false
      if (!this.#isIdle) return // The next turn pays (S1).
      const waiting = this.#waiting
      this.#waiting = []
      this.#sinceMs = this.#clock.monotonicMs()
      for (const pace of waiting) pace.goOn(IDLE_SLICE)
    })
  }

  #unitsACost(): number {
    const unitMs = this.#units.ms
    const cellMs = this.#cells.ms
    return unitMs === 0 || cellMs === 0 ? UNITS_A_COST : cellMs / unitMs
  }
}

/** What snapshots may spend after a turn of `units`, when `unitsACost` units take as long as a cell. */
export function grantOf(units: number, unitsACost: number): number {
  const fair = ((units / unitsACost) * SHARE) / (1 - SHARE)
  return Math.min(Math.max(fair, TURN_SLICE_MIN), TURN_SLICE_MAX)
}

/** What one of something takes, by the latest measurements. */
class Price {
  #count = 0
  #ms = 0

  add(count: number, ms: number): void {
    this.#count = this.#count * MEMORY + count
    this.#ms = this.#ms * MEMORY + ms
  }

  /** 0: not known. */
  get ms(): number {
    return this.#count === 0 ? 0 : this.#ms / this.#count
  }
}

class SharePace implements Pace {
  readonly #share: WorkShare
  #credit = IDLE_SLICE
  #spent = 0
  #bytes = 0
  #resume: (() => void) | undefined

  constructor(share: WorkShare) {
    this.#share = share
  }

  spend(bytes: number): Promise<void> | undefined {
    this.#spent += 1
    this.#bytes += bytes
    if (this.#spent + this.#bytes / CELL_COST_BYTES < this.#credit) return undefined
    return new Promise((resolve) => {
      this.#resume = resolve
      const spent = this.#spent + this.#bytes / CELL_COST_BYTES
      this.#spent = 0
      this.#bytes = 0
      this.#share.wait(this, spent)
    })
  }

  goOn(credit: number): void {
    this.#credit = credit
    this.#resume!()
  }
}
