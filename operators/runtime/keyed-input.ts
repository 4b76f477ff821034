import type { KeySelector } from '../../engine/stream/keys.ts'
import type { OperatorContext } from '../../engine/operator/operator.ts'
import type { RecordBatch } from '../../engine/stream/record-batch.ts'
import { BATCH_RECORDS_MAX } from '../../engine/base/limits.ts'
import { keyHash, selectKey } from '../../engine/stream/key-codec.ts'
import { userError } from '../../engine/operator/user-error.ts'

/**
 * Finds keys and hashes of the records of a keyed input, batch by batch. From a column where the
 * key is a field and no row has been made; else by the selector.
 */
export class KeyedInput {
  readonly #selector: KeySelector
  readonly #keyOf: (row: unknown) => unknown
  readonly #context: OperatorContext
  readonly #keys: unknown[] = new Array<unknown>(BATCH_RECORDS_MAX).fill(undefined)
  #hashes = new Int32Array(BATCH_RECORDS_MAX)

  constructor(selector: KeySelector, context: OperatorContext) {
    this.#selector = selector
    this.#keyOf = selectKey(selector)
    this.#context = context
  }

  /** The keys of the batch; valid until the next call. */
  keys(batch: RecordBatch): ArrayLike<unknown> {
    if (!batch.hasRows && this.#selector.type === 'field') {
      const column = batch.columns?.column(this.#selector.field)
      if (column?.validity === undefined) {
        if (
          column?.kind === 'int32' ||
          column?.kind === 'float64' ||
          column?.kind === 'timestamp'
        ) {
          return column.values
        }
      }
    }
    const { rows, count } = batch
    const keys = this.#keys
    const keyOf = this.#keyOf
    let index = 0
    try {
      for (; index < count; index += 1) keys[index] = keyOf(rows[index])
    } catch (thrown) {
      throw userError(thrown, this.#context, batch, index)
    }
    return keys
  }

  /** `keyHash` of each key: what the exchange computed, or computed here. */
  hashes(batch: RecordBatch, keys: ArrayLike<unknown>): Int32Array {
    if (batch.hashes !== undefined) return batch.hashes
    if (this.#hashes.length < batch.count) this.#hashes = new Int32Array(batch.count)
    const hashes = this.#hashes
    let index = 0
    try {
      for (; index < batch.count; index += 1) hashes[index] = keyHash(keys[index])
    } catch (thrown) {
      throw userError(thrown, this.#context, batch, index)
    }
    return hashes
  }
}
