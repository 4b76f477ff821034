import type { Clock } from '../base/clock.ts'
import type { Pace } from './cell-merge.ts'

/** Together well below a millisecond; counted, not timed, so that a seed replays. */
const SLICE_CELLS = 512
const SLICE_BYTES = 64 * 1_024

/** Yields to the event loop after each slice of work. */
export class SlicePace implements Pace {
  readonly #clock: Clock
  #cells = 0
  #bytes = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  spend(bytes: number): Promise<void> | undefined {
    this.#cells += 1
    this.#bytes += bytes
    if (this.#cells < SLICE_CELLS && this.#bytes < SLICE_BYTES) return undefined
    this.#cells = 0
    this.#bytes = 0
    return new Promise((resolve) => {
      this.#clock.immediate(resolve)
    })
  }
}
