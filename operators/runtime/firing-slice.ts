import type { Output } from '../../engine/operator/operator.ts'
import type { Emitters } from './process-context.ts'
import { FIRINGS_PER_SLICE_MAX } from '../../engine/base/limits.ts'

/**
 * How far a step fires before it lets others work: a bounded number of timers or records, and no
 * further than the output has credit.
 */
export class FiringSlice {
  readonly #emitters: Emitters
  readonly #output: Output
  #count = 0
  /** Asked between two firings. The rows so far go out before the credit is looked at. */
  readonly mayContinue = (): boolean => {
    this.#emitters.drain()
    return this.#count < FIRINGS_PER_SLICE_MAX && this.#output.hasCredit()
  }

  constructor(emitters: Emitters, output: Output) {
    this.#emitters = emitters
    this.#output = output
  }

  start(): void {
    this.#count = 0
  }

  /** One timer or record is about to be given to the user's function. */
  count(): void {
    this.#count += 1
  }
}
