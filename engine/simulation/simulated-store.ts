import type { Clock } from '../base/clock.ts'
import type { KeyValueOperation, KeyValueStore } from '../state/key-value-store.ts'
import { assert } from '../base/assert.ts'

/**
 * The scratch store of a simulation: as LevelDB, but its batches take effect when the clock says
 * so, each as a whole and in their order.
 */
export class SimulatedStore implements KeyValueStore {
  readonly #clock: Clock
  readonly #values = new Map<string, Uint8Array>()
  #last: Promise<void> = Promise.resolve()
  #isClosed = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  getSync(key: Uint8Array): Uint8Array | undefined {
    assert(!this.#isClosed, 'a closed store was read')
    return this.#values.get(textOf(key))
  }

  /** The bytes are taken over at once: the caller may use them again. */
  batch(operations: readonly KeyValueOperation[]): Promise<void> {
    assert(!this.#isClosed, 'a closed store was written')
    const taken = operations.map((operation) => ({
      key: textOf(operation.key),
      value: operation.type === 'put' ? operation.value.slice() : undefined,
    }))
    const turn = new Promise<void>((come) => {
      this.#clock.immediate(come)
    })
    const done = Promise.all([this.#last, turn]).then(() => {
      for (const { key, value } of taken) {
        if (value === undefined) this.#values.delete(key)
        else this.#values.set(key, value)
      }
    })
    this.#last = done
    return done
  }

  async close(): Promise<void> {
    await this.#last
    this.#isClosed = true
    this.#values.clear()
  }
}

function textOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')
}
