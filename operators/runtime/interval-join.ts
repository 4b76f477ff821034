import type { OperatorFactory, UserFunction } from './options.ts'
import type { OperatorContext, StreamOperator } from '../../engine/operator/operator.ts'
import type { MapState, StateDescriptor } from '../../engine/state/state.ts'
import type { KeySelector } from '../../engine/stream/keys.ts'
import type { RecordBatch } from '../../engine/stream/record-batch.ts'
import type { SchemaData } from '../../engine/stream/schema.ts'
import { FIRINGS_PER_SLICE_MAX } from '../../engine/base/limits.ts'
import { RowEmitter } from '../../engine/operator/row-emitter.ts'
import {
  asyncError,
  isPromiseLike,
  recordError,
  userError,
} from '../../engine/operator/user-error.ts'
import { KeyedInput } from './keyed-input.ts'

export interface IntervalJoinOptions {
  readonly keys: readonly [KeySelector, KeySelector]
  /** Of the records of each side, where they are known. */
  readonly schemas: readonly [SchemaData | undefined, SchemaData | undefined]
  /** A right record joins when its time is in [left + lower, left + upper]. */
  readonly lowerMs: number
  readonly upperMs: number
  readonly step: UserFunction
}

export function createIntervalJoin(options: IntervalJoinOptions): OperatorFactory {
  return {
    states: [recordsOf('left', options.schemas[0]), recordsOf('right', options.schemas[1])],
    create: () => new IntervalJoinOperator(options),
  }
}

type RecordsState = Extract<StateDescriptor, { type: 'map' }>

/** Records of one side by their time. */
function recordsOf(name: string, schema: SchemaData | undefined): RecordsState {
  const value: SchemaData = { kind: 'list', item: schema ?? { kind: 'packed' } }
  return { type: 'map', name, key: { kind: 'float64' }, value }
}

/** One side of the join, as seen from a record of it. */
interface Side {
  readonly input: KeyedInput
  readonly records: MapState<number, unknown[]>
  /** Others join at [time + from, time + to]. */
  readonly fromMs: number
  readonly toMs: number
  /** How long a record is kept: no other at or before the watermark comes any more. */
  readonly keepMs: number
}

/**
 * Joins two keyed streams by the distance of their records in event time.
 *
 * N1. Each pair of records of a key that are near enough is joined once, when the second of them
 *     comes; the result has the later of their times, whichever came first.
 * N2. A record at or before the watermark at its place is late and goes to the side output `late`:
 *     its partners may be gone.
 * N3. A record is kept until the watermark tells that no partner can come. Nobody sees it go, so it
 *     goes behind the batch that brings the watermark.
 */
export class IntervalJoinOperator implements StreamOperator {
  readonly #options: IntervalJoinOptions
  readonly #join: (left: unknown, right: unknown) => unknown
  #context!: OperatorContext
  #emitter!: RowEmitter
  #sides!: readonly [Side, Side]

  constructor(options: IntervalJoinOptions) {
    this.#options = options
    this.#join = options.step as (left: unknown, right: unknown) => unknown
  }

  open(context: OperatorContext): void {
    const { keys, schemas, lowerMs, upperMs } = this.#options
    this.#context = context
    this.#emitter = new RowEmitter(context.output)
    this.#sides = [
      {
        input: new KeyedInput(keys[0], context),
        records: context.keyed.map(recordsOf('left', schemas[0])),
        fromMs: lowerMs,
        toMs: upperMs,
        keepMs: Math.max(upperMs, 0),
      },
      {
        input: new KeyedInput(keys[1], context),
        records: context.keyed.map(recordsOf('right', schemas[1])),
        fromMs: -upperMs,
        toMs: -lowerMs,
        keepMs: Math.max(-lowerMs, 0),
      },
    ]
  }

  processBatch(batch: RecordBatch, input: number): void {
    const { keyed, timers } = this.#context
    const own = this.#sides[input]!
    const keys = own.input.keys(batch)
    const hashes = own.input.hashes(batch, keys)
    const { rows, times, watermarks } = batch
    const late: number[] = []
    for (let index = 0; index < batch.count; index += 1) {
      const timeMs = times === undefined ? NaN : times[index]!
      if (Number.isNaN(timeMs)) throw this.#noTime(batch, index)
      const watermarkMs = watermarks?.[index] ?? timers.watermarkMs
      if (timeMs <= watermarkMs) {
        late.push(index) // N2.
        continue
      }
      this.#emitter.watermarkMs = watermarkMs
      keyed.setCurrentKey(keys[index], hashes[index]!)
      this.#joinOthers(batch, index, timeMs, input)
      const records = own.records.get(timeMs) ?? []
      records.push(rows[index])
      own.records.put(timeMs, records)
      timers.registerEventTimeTimer(timeMs + own.keepMs)
      this.#emitter.drain()
    }
    this.#emitter.flush()
    if (late.length === 0) return
    this.#context.output.emitTo('late', batch.select(Int32Array.from(late), late.length))
  }

  advanceWatermark(ms: number): boolean {
    const [left, right] = this.#sides
    let firings = 0
    const onTimer = (atMs: number): void => {
      firings += 1
      left.records.remove(atMs - left.keepMs)
      right.records.remove(atMs - right.keepMs)
    }
    return this.#context.timers.fireEventTime(ms, onTimer, () => firings < FIRINGS_PER_SLICE_MAX)
  }

  #joinOthers(batch: RecordBatch, index: number, timeMs: number, input: number): void {
    const { fromMs, toMs } = this.#sides[input]!
    const row = batch.rows[index]
    for (const [otherMs, others] of this.#sides[1 - input]!.records.entries()) {
      if (otherMs < timeMs + fromMs || otherMs > timeMs + toMs) continue
      const laterMs = Math.max(timeMs, otherMs)
      for (const other of others) {
        const joined = this.#call(
          input === 0 ? row : other,
          input === 0 ? other : row,
          batch,
          index,
        )
        this.#emitter.pushAt(joined, laterMs)
      }
    }
  }

  #call(left: unknown, right: unknown, batch: RecordBatch, index: number): unknown {
    let joined: unknown
    try {
      joined = this.#join(left, right)
    } catch (thrown) {
      throw userError(thrown, this.#context, batch, index)
    }
    if (isPromiseLike(joined)) throw asyncError('intervalJoin', this.#context, batch, index)
    return joined
  }

  #noTime(batch: RecordBatch, index: number): Error {
    return recordError(
      'VALUE_UNFIT',
      `a record for "${this.#context.name}" has no event time`,
      'Call assignTimestampsAndWatermarks on both streams.',
      this.#context,
      batch,
      index,
    )
  }
}
