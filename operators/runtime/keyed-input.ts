import type { ColumnSet } from '../../engine/stream/columns.ts'
import type { KeySelector } from '../../engine/stream/keys.ts'
import type { OperatorContext } from '../../engine/operator/operator.ts'
import type { RecordBatch } from '../../engine/stream/record-batch.ts'
import { BATCH_RECORDS_MAX } from '../../engine/base/limits.ts'
import { keyHash, selectKey } from '../../engine/stream/key-codec.ts'
import { columnTexts } from './kernel-fields.ts'
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
    const fromColumns = batch.hasRows ? undefined : this.#columnKeys(batch)
    if (fromColumns !== undefined) return fromColumns
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

  #columnKeys(batch: RecordBatch): ArrayLike<unknown> | undefined {
    const { columns } = batch
    if (columns === undefined || this.#selector.type === 'function') return undefined
    if (this.#selector.type === 'field') return keyColumn(columns, this.#selector.field)
    const parts: ArrayLike<unknown>[] = []
    for (const field of this.#selector.fields) {
      const part = keyColumn(columns, field)
      if (part === undefined) return undefined
      parts.push(part)
    }
    const keys = this.#keys
    for (let index = 0; index < batch.count; index += 1) {
      const key = new Array<unknown>(parts.length)
      for (let part = 0; part < parts.length; part += 1) key[part] = parts[part]![index]
      keys[index] = key
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

/** Undefined where the rows have to tell: a null is a key, a missing field is not. */
function keyColumn(columns: ColumnSet, field: string): ArrayLike<unknown> | undefined {
  const index = columns.names.indexOf(field)
  const column = index < 0 ? undefined : columns.columns[index]!
  if (column === undefined || column.validity !== undefined) return undefined
  switch (column.kind) {
    case 'int32':
    case 'float64':
    case 'timestamp':
    case 'int64':
      return column.values
    case 'utf8':
      return columnTexts(columns, index)
    default:
      return undefined
  }
}
