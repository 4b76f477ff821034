import { assert } from '../base/assert.ts'
import type { CheckpointBarrier, CheckpointId } from '../stream/elements.ts'

/**
 * Aligns the barriers of one checkpoint across the input channels of one subtask.
 *
 * A1. At most one checkpoint is being aligned at a time: there is one under way in the whole job,
 *     and a barrier of a newer one means that the older was aborted.
 * A2. A channel is blocked exactly when its barrier for that checkpoint has arrived.
 * A3. The barrier is released once, when every channel is blocked; then all unblock.
 * A4. A barrier older than the newest one seen is of an aborted checkpoint and is dropped.
 *
 * A channel whose input has ended still carries barriers: its sender answers until the job ends.
 */
export class BarrierAligner {
  readonly #blocked: Uint8Array
  #blockedCount = 0
  #newest: CheckpointId = -1
  #aligning = false

  constructor(channels: number) {
    assert(channels > 0)
    this.#blocked = new Uint8Array(channels)
  }

  get aligning(): boolean {
    return this.#aligning
  }

  isBlocked(channel: number): boolean {
    return this.#blocked[channel] === 1
  }

  /** Whether an alignment begins with this barrier: of one channel alone there is none. */
  isFirst({ checkpointId }: CheckpointBarrier): boolean {
    return checkpointId > this.#newest && this.#blocked.length > 1
  }

  /** Returns the barrier when it has arrived on every channel, and undefined before. */
  onBarrier(channel: number, barrier: CheckpointBarrier): CheckpointBarrier | undefined {
    assert(this.#blocked[channel] === 0, 'a blocked channel was read')
    if (barrier.checkpointId < this.#newest) return undefined
    if (barrier.checkpointId > this.#newest) {
      this.#unblock()
      this.#newest = barrier.checkpointId
      this.#aligning = true
    }
    assert(this.#aligning, 'a barrier came twice')
    this.#blocked[channel] = 1
    this.#blockedCount += 1
    if (this.#blockedCount < this.#blocked.length) return undefined
    this.#unblock()
    return barrier
  }

  #unblock(): void {
    this.#blocked.fill(0)
    this.#blockedCount = 0
    this.#aligning = false
  }
}
