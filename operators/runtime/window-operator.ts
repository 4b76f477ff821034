import type { CreateFold, WindowFold } from './window-fold.ts'
import type { KeySelector } from '../../engine/stream/keys.ts'
import type { OperatorContext, StreamOperator } from '../../engine/operator/operator.ts'
import type { RecordBatch } from '../../engine/stream/record-batch.ts'
import { assert } from '../../engine/base/assert.ts'
import { BATCH_RECORDS_MAX } from '../../engine/base/limits.ts'
import { Emitters } from './process-context.ts'
import { FiringSlice } from './firing-slice.ts'
import { KeyedInput } from './keyed-input.ts'
import { TIME_MS_MAX } from '../../engine/stream/value-fit.ts'
import { recordError, userError } from '../../engine/operator/user-error.ts'

export interface WindowParts {
  readonly key: KeySelector
  readonly allowedLatenessMs: number
  /** No window begins or ends further than this from a record in it. */
  readonly lengthMs: number
  /** Side outputs besides `late`. */
  readonly sides: readonly string[]
  readonly createFold: CreateFold
}

/**
 * What all windows in event time have in common: they gather the records of a key, fire when the
 * watermark passes their end, and fire again for each record that comes after that, for as long as
 * the allowed lateness lasts.
 *
 * W1. A window is late when its end − 1 + allowedLateness is at or before the watermark before the
 *     record. A record whose windows are all late goes to the side output `late` and changes nothing.
 * W2. A window whose end − 1 is at or before the watermark has fired.
 * W3. Firing is by timers alone, in order of (time, key), before the first record behind the
 *     watermark that passes their time; it pauses between two timers.
 * W4. What is kept of a window is removed when it becomes late, never before.
 * W5. A record whose window would begin or end beyond the times that can be stored is refused here,
 *     where it is known.
 */
export abstract class WindowOperator implements StreamOperator {
  protected readonly parts: WindowParts
  protected context!: OperatorContext
  protected fold!: WindowFold
  protected emitters!: Emitters
  #input!: KeyedInput
  readonly #late = new Int32Array(BATCH_RECORDS_MAX)
  #slice!: FiringSlice
  readonly #onEventTimer = (atMs: number): void => {
    this.#slice.count()
    this.emitters.passTime(atMs)
    try {
      this.onTimer(atMs)
    } catch (thrown) {
      throw userError(thrown, this.context, undefined, -1)
    }
  }

  constructor(parts: WindowParts) {
    this.parts = parts
  }

  open(context: OperatorContext): void {
    this.context = context
    this.emitters = new Emitters(context.output, this.parts.sides)
    this.#slice = new FiringSlice(this.emitters, context.output)
    this.emitters.watermarkMs = context.timers.watermarkMs
    this.fold = this.parts.createFold(this.emitters)
    this.#input = new KeyedInput(this.parts.key, context)
    this.openState(context)
  }

  processBatch(batch: RecordBatch, input: number): void {
    const taken = this.processFrom(batch, input, 0)
    assert(taken === batch.count, 'a window heads its chain, where it may pause')
  }

  processFrom(batch: RecordBatch, _input: number, from: number): number {
    const { count, times, watermarks } = batch
    if (times === undefined) throw this.#untimed(batch, 0)
    this.#slice.start()
    if (watermarks !== undefined && !this.#reach(watermarks[from]!)) {
      this.emitters.flush()
      return from
    }
    const { keyed } = this.context
    const keys = this.#input.keys(batch)
    const hashes = this.#input.hashes(batch, keys)
    const late = count <= BATCH_RECORDS_MAX ? this.#late : new Int32Array(count)
    const farthestMs = TIME_MS_MAX - this.parts.lengthMs
    let lateCount = 0
    let index = from
    try {
      this.startBatch(batch)
      for (; index < count; index += 1) {
        if (watermarks !== undefined && watermarks[index]! > this.watermarkMs) {
          if (!this.#reach(watermarks[index]!)) break
        }
        const ms = times[index]!
        if (!(ms >= -farthestMs && ms <= farthestMs)) throw this.#unfit(batch, index, ms)
        keyed.setCurrentKey(keys[index], hashes[index]!)
        if (!this.add(ms, index)) {
          late[lateCount] = index
          lateCount += 1
        }
      }
    } catch (thrown) {
      throw userError(thrown, this.context, batch, index)
    }
    this.emitters.flush()
    if (lateCount > 0) this.context.output.emitTo('late', batch.select(late, lateCount))
    return index
  }

  advanceWatermark(ms: number): boolean {
    this.#slice.start()
    const isDone = this.#reach(ms)
    this.emitters.flush()
    return isDone
  }

  /** The watermark before the record at hand. */
  protected get watermarkMs(): number {
    return this.emitters.watermarkMs
  }

  /** W3. False: some of the timers that are due at this watermark are still to fire. */
  #reach(ms: number): boolean {
    const { timers } = this.context
    if (!timers.fireEventTime(ms, this.#onEventTimer, this.#slice.mayContinue)) return false
    if (ms > this.emitters.watermarkMs) this.emitters.watermarkMs = ms
    return true
  }

  protected abstract openState(context: OperatorContext): void

  protected abstract startBatch(batch: RecordBatch): void

  /** Adds the record, of the current key; false when it is late (W1). */
  protected abstract add(ms: number, index: number): boolean

  protected abstract onTimer(atMs: number): void

  /** W5. */
  #unfit(batch: RecordBatch, index: number, ms: number): Error {
    if (Number.isNaN(ms)) return this.#untimed(batch, index)
    return recordError(
      'VALUE_UNFIT',
      `the window of a record of "${this.context.name}" would begin or end beyond ±8.64e15, its event time is ${ms}`,
      'Such a time is a slip of units, as microseconds for milliseconds: correct it, or filter the record out before.',
      this.context,
      batch,
      index,
    )
  }

  #untimed(batch: RecordBatch, index: number): Error {
    return recordError(
      'EVENT_TIME_MISSING',
      `a record of "${this.context.name}" has no event time`,
      'Call assignTimestampsAndWatermarks before the window.',
      this.context,
      batch,
      index,
    )
  }
}
