import type { OperatorContext, StreamOperator } from '../../engine/operator/operator.ts'
import type { RecordBatch } from '../../engine/stream/record-batch.ts'
import { BATCH_RECORDS_MAX } from '../../engine/base/limits.ts'
import {
  asyncError,
  isPromiseLike,
  recordError,
  userError,
} from '../../engine/operator/user-error.ts'
import { RowEmitter } from '../../engine/operator/row-emitter.ts'

/** One row in, one row out. */
export class MapOperator implements StreamOperator {
  readonly #step: (record: unknown) => unknown
  #context!: OperatorContext

  constructor(step: (record: never) => unknown) {
    this.#step = step as (record: unknown) => unknown
  }

  open(context: OperatorContext): void {
    this.#context = context
  }

  processBatch(batch: RecordBatch): void {
    const { rows, count } = batch
    const step = this.#step
    const mapped = new Array<unknown>(count)
    let index = 0
    try {
      for (; index < count; index += 1) {
        const row = step(rows[index])
        if (row instanceof Promise) throw asyncError('map', this.#context, batch, index)
        mapped[index] = row
      }
    } catch (thrown) {
      throw userError(thrown, this.#context, batch, index)
    }
    this.#context.output.emit(batch.withRows(mapped))
  }
}

/** Keeps the rows of which the function says true. */
export class FilterOperator implements StreamOperator {
  readonly #keeps: (record: unknown) => unknown
  readonly #kept = new Int32Array(BATCH_RECORDS_MAX)
  #context!: OperatorContext

  constructor(keeps: (record: never) => unknown) {
    this.#keeps = keeps as (record: unknown) => unknown
  }

  open(context: OperatorContext): void {
    this.#context = context
  }

  processBatch(batch: RecordBatch): void {
    const { rows, count } = batch
    const kept = count <= BATCH_RECORDS_MAX ? this.#kept : new Int32Array(count)
    const keptCount = this.#fill(batch, rows, kept)
    if (keptCount === 0) return
    this.#context.output.emit(keptCount === count ? batch : batch.select(kept, keptCount))
  }

  #fill(batch: RecordBatch, rows: readonly unknown[], kept: Int32Array): number {
    const keeps = this.#keeps
    let keptCount = 0
    let index = 0
    try {
      for (; index < batch.count; index += 1) {
        const answer = keeps(rows[index])
        if (answer === true) {
          kept[keptCount] = index
          keptCount += 1
        } else if (answer !== false) {
          if (isPromiseLike(answer)) throw asyncError('filter', this.#context, batch, index)
          if (answer) kept[keptCount++] = index
        }
      }
    } catch (thrown) {
      throw userError(thrown, this.#context, batch, index)
    }
    return keptCount
  }
}

/** One row in, any number out. */
export class FlatMapOperator implements StreamOperator {
  readonly #step: (record: unknown) => unknown
  #context!: OperatorContext
  #emitter!: RowEmitter

  constructor(step: (record: never) => unknown) {
    this.#step = step as (record: unknown) => unknown
  }

  open(context: OperatorContext): void {
    this.#context = context
    this.#emitter = new RowEmitter(context.output)
  }

  processBatch(batch: RecordBatch): void {
    const { rows, count } = batch
    const emitter = this.#emitter
    emitter.begin(batch)
    for (let index = 0; index < count;) {
      index = this.#expand(batch, rows, index)
      emitter.drain()
    }
    emitter.flush()
  }

  /** Runs from record `from` on until a batch is full; returns the next index. */
  #expand(batch: RecordBatch, rows: readonly unknown[], from: number): number {
    const emitter = this.#emitter
    const step = this.#step
    let index = from
    try {
      for (; index < batch.count && !emitter.isFull; index += 1) {
        const made = step(rows[index])
        if (Array.isArray(made)) {
          for (let item = 0; item < made.length; item += 1) emitter.push(made[item], index)
        } else {
          for (const row of this.#iterable(made, batch, index)) emitter.push(row, index)
        }
      }
    } catch (thrown) {
      throw userError(thrown, this.#context, batch, index)
    }
    return index
  }

  #iterable(made: unknown, batch: RecordBatch, index: number): Iterable<unknown> {
    if (isPromiseLike(made)) throw asyncError('flatMap', this.#context, batch, index)
    if (typeof made === 'string') return made
    if (typeof made === 'object' && made !== null && Symbol.iterator in made) {
      return made as Iterable<unknown>
    }
    throw recordError(
      'USER_FUNCTION_FAILED',
      `flatMap "${this.#context.name}" returned ${made === null ? 'null' : typeof made}`,
      'A flatMap returns something to iterate over: an array, or a generator.',
      this.#context,
      batch,
      index,
    )
  }
}
