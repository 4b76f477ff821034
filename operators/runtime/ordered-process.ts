import type { OperatorContext, StreamOperator } from '../../engine/operator/operator.ts'
import type { RecordBatch } from '../../engine/stream/record-batch.ts'
import type { SchemaData } from '../../engine/stream/schema.ts'
import type { ProcessLogic } from './process.ts'
import { BATCH_RECORDS_MAX, FIRINGS_PER_SLICE_MAX } from '../../engine/base/limits.ts'
import {
  asyncError,
  isPromiseLike,
  recordError,
  userError,
} from '../../engine/operator/user-error.ts'
import { KeyedInput } from './keyed-input.ts'
import { Emitters, openStates, ProcessScope, UserTimers } from './process-context.ts'
import { batchOfWaiting, WaitingRecords } from './waiting-records.ts'

/**
 * Runs a user's process functions over keyed inputs in the order of event time.
 *
 * O1. A record waits in state until the watermark passes its time. Then records and timers come by
 *     (time; records before timers; tie order of WaitingRecords W1; key bytes), one by one.
 * O2. What a call emits has the time of its record or timer.
 * O3. A record at or behind the watermark that holds at its place goes to the side output `late`
 *     as it came, and changes nothing.
 * O4. Releasing pauses between any two records or timers when the output is out of credit. What
 *     was released is no longer in the state, so nothing is repeated.
 * O5. Processing-time timers fire by the clock, between releases.
 */
export class OrderedProcessOperator implements StreamOperator {
  readonly #create: () => ProcessLogic
  readonly #schemas: readonly (SchemaData | undefined)[]
  #logic!: ProcessLogic
  #context!: OperatorContext
  #emitters!: Emitters
  #scope!: ProcessScope
  #inputs: readonly KeyedInput[] = []
  #waiting!: WaitingRecords
  readonly #late = new Int32Array(BATCH_RECORDS_MAX)
  #firings = 0

  /** `schemas`: of the records of each input, where they are known. */
  constructor(create: () => ProcessLogic, schemas: readonly (SchemaData | undefined)[]) {
    this.#create = create
    this.#schemas = schemas
  }

  open(context: OperatorContext): void {
    const logic = this.#create()
    this.#logic = logic
    this.#context = context
    this.#emitters = new Emitters(context.output, logic.sides)
    const handles = openStates(context.keyed, logic.states)
    this.#scope = new ProcessScope(this.#emitters, new UserTimers(context.timers), handles)
    this.#inputs = logic.inputs.map(({ key }) => new KeyedInput(key as never, context))
    this.#waiting = new WaitingRecords(context, this.#schemas)
    logic.open?.(context.keyed)
  }

  processBatch(batch: RecordBatch, input: number): void {
    const { count, times, watermarks } = batch
    if (count === 0) return
    if (times === undefined) throw this.#untimed(batch, 0)
    const { keyed, timers } = this.#context
    const keys = this.#inputs[input]!.keys(batch)
    const hashes = this.#inputs[input]!.hashes(batch, keys)
    const late = count <= BATCH_RECORDS_MAX ? this.#late : new Int32Array(count)
    const watermarkMs = timers.watermarkMs
    let lateCount = 0
    for (let index = 0; index < count; index += 1) {
      const ms = times[index]!
      if (ms !== ms) throw this.#untimed(batch, index)
      if (ms <= (watermarks?.[index] ?? watermarkMs)) {
        late[lateCount] = index
        lateCount += 1
        continue
      }
      keyed.setCurrentKey(keys[index], hashes[index]!)
      this.#waiting.add(batch, index, ms, input)
    }
    if (lateCount > 0) this.#context.output.emitTo('late', batch.select(late, lateCount))
  }

  advanceWatermark(ms: number): boolean {
    const onPlace = (atMs: number): boolean => this.#release(atMs)
    const onTimer = (atMs: number): void => {
      this.#fire(atMs, atMs)
    }
    const mayContinue = this.#startSlice()
    const isDone = this.#context.timers.fireInOrder(ms, onPlace, onTimer, mayContinue)
    this.#emitters.flush()
    return isDone
  }

  advanceProcessingTime(nowMs: number): boolean {
    const onTimer = (atMs: number): void => {
      this.#fire(atMs, NaN)
    }
    const mayContinue = this.#startSlice()
    const isDone = this.#context.timers.fireProcessingTime(nowMs, onTimer, mayContinue)
    this.#emitters.flush()
    return isDone
  }

  nextProcessingTimeMs(): number | undefined {
    return this.#context.timers.nextProcessingTimeMs()
  }

  /** One record of the current key; true when it was the last of that time. */
  #release(atMs: number): boolean {
    const waiting = this.#waiting.take(atMs)
    if (waiting === undefined) return true
    const isLast = !this.#waiting.has(atMs)
    this.#begin(atMs)
    let returned: unknown
    try {
      const port = this.#logic.inputs[this.#waiting.input]!
      returned = port.onRecord(waiting.record, this.#scope)
    } catch (thrown) {
      throw userError(thrown, this.#context, batchOfWaiting(waiting, atMs), 0)
    }
    if (returned !== undefined && isPromiseLike(returned)) {
      throw asyncError('process', this.#context, batchOfWaiting(waiting, atMs), 0)
    }
    return isLast
  }

  #fire(atMs: number, timestampMs: number): void {
    this.#begin(timestampMs)
    let returned: unknown
    try {
      returned = this.#logic.onTimer?.(atMs, this.#scope)
    } catch (thrown) {
      throw userError(thrown, this.#context, undefined, -1)
    }
    if (returned !== undefined && isPromiseLike(returned)) {
      throw asyncError('process', this.#context, undefined, -1)
    }
  }

  #begin(timestampMs: number): void {
    this.#firings += 1
    const scope = this.#scope
    scope.key = this.#context.keyed.currentKey
    scope.atTime(timestampMs)
    this.#emitters.passTime(timestampMs)
  }

  /** O4. The rows so far go out before the credit is looked at. */
  #startSlice(): () => boolean {
    this.#firings = 0
    return () => {
      this.#emitters.drain()
      return this.#firings < FIRINGS_PER_SLICE_MAX && this.#context.output.hasCredit()
    }
  }

  #untimed(batch: RecordBatch, index: number): Error {
    return recordError(
      'EVENT_TIME_MISSING',
      `a record of "${this.#context.name}" has no event time, and the step is in event-time order`,
      'Call assignTimestampsAndWatermarks before the step.',
      this.#context,
      batch,
      index,
    )
  }
}
