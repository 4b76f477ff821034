import type {
  OperatorContext,
  StreamOperator,
  UnkeyedRecords,
} from '../../engine/operator/operator.ts'
import type { RecordBatch } from '../../engine/stream/record-batch.ts'
import type { SchemaData } from '../../engine/stream/schema.ts'
import type { ProcessLogic } from './process.ts'
import { BATCH_RECORDS_MAX } from '../../engine/base/limits.ts'
import { FiringSlice } from './firing-slice.ts'
import { KeyedInput } from './keyed-input.ts'
import { Emitters, openBroadcast, openStates, ProcessScope, UserTimers } from './process-context.ts'
import { UserCalls } from './user-calls.ts'
import { BroadcastQueue } from './waiting-broadcast.ts'
import { untimedError, WaitingRecords } from './waiting-records.ts'

/**
 * Runs a user's process functions over keyed inputs, one of which may go with a broadcast one, in
 * the order of event time.
 *
 * O1. A record waits in state until the watermark passes its time. Then records and timers come by
 *     (time; records before timers; tie order of WaitingRecords W1; key bytes), one by one.
 * O2. What a call emits has the time of its record or timer.
 * O3. A record at or behind the watermark that holds at its place goes to the side output `late`
 *     as it came, and changes nothing.
 * O4. Releasing pauses between any two records or timers when the output is out of credit. What
 *     was released is no longer in the state, so nothing is repeated.
 * O5. Processing-time timers fire by the clock, between releases.
 * O6. Records of a broadcast input come in one order in every subtask (`BroadcastOrderOperator`)
 *     and are applied in it, each before the records and timers of its time. Broadcast state is
 *     thus a function of the watermark and of what has arrived: copies of one watermark are equal.
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
  /** Of a broadcast input, which stands behind the keyed one. */
  #copies: BroadcastQueue | undefined
  #unkeyed: UnkeyedRecords | undefined
  #broadcastScope: { readonly broadcast: Readonly<Record<string, unknown>> } | undefined
  readonly #late = new Int32Array(BATCH_RECORDS_MAX)
  #slice!: FiringSlice
  #calls!: UserCalls
  readonly #onPlace = (atMs: number): boolean => this.#release(atMs)
  readonly #onEventTimer = (atMs: number): void => {
    this.#fire(atMs, atMs)
  }
  readonly #onProcessingTimer = (atMs: number): void => {
    this.#fire(atMs, NaN)
  }

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
    this.#slice = new FiringSlice(this.#emitters, context.output)
    this.#calls = new UserCalls(logic, context)
    const handles = openStates(context.keyed, logic.states)
    this.#scope = new ProcessScope(this.#emitters, new UserTimers(context.timers), handles)
    const { readable, writable } = openBroadcast(context, logic.broadcast)
    this.#scope.broadcast = readable
    this.#broadcastScope = { broadcast: writable }
    const keys = logic.inputs.map(({ key }) => key).filter((key) => typeof key === 'object')
    this.#inputs = keys.map((key) => new KeyedInput(key, context))
    this.#waiting = new WaitingRecords(context, this.#schemas.slice(0, keys.length))
    if (keys.length < logic.inputs.length) {
      this.#copies = new BroadcastQueue(context, this.#schemas[keys.length])
      this.#unkeyed = { nextMs: () => this.#copies!.firstMs, take: () => this.#applyCopy() }
    }
    logic.open?.(context.keyed)
  }

  processBatch(batch: RecordBatch, input: number): void {
    const { count, times, watermarks } = batch
    if (count === 0) return
    if (input === this.#inputs.length) {
      this.#takeCopies(batch)
      return
    }
    if (times === undefined) throw untimedError(this.#context, batch, 0)
    const { keyed, timers } = this.#context
    const keys = this.#inputs[input]!.keys(batch)
    const hashes = this.#inputs[input]!.hashes(batch, keys)
    const late = count <= BATCH_RECORDS_MAX ? this.#late : new Int32Array(count)
    const watermarkMs = timers.watermarkMs
    let lateCount = 0
    for (let index = 0; index < count; index += 1) {
      const ms = times[index]!
      if (ms !== ms) throw untimedError(this.#context, batch, index)
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
    this.#slice.start()
    const isDone = this.#context.timers.fireInOrder(
      ms,
      this.#onPlace,
      this.#onEventTimer,
      this.#slice.mayContinue,
      this.#unkeyed,
    )
    this.#emitters.flush()
    return isDone
  }

  advanceProcessingTime(nowMs: number): boolean {
    this.#slice.start()
    const isDone = this.#context.timers.fireProcessingTime(
      nowMs,
      this.#onProcessingTimer,
      this.#slice.mayContinue,
    )
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
    this.#calls.onWaiting(this.#logic.inputs[this.#waiting.input]!, waiting, atMs, this.#scope)
    return isLast
  }

  /** O6. A copy whose time has passed already is behind nothing that still waits. */
  #takeCopies(batch: RecordBatch): void {
    const copies = this.#copies!
    for (let index = 0; index < batch.count; index += 1) copies.add(batch, index)
    const { watermarkMs } = this.#context.timers
    while (copies.firstMs <= watermarkMs) this.#applyCopy()
  }

  #applyCopy(): void {
    this.#slice.count()
    const waiting = this.#copies!.take()
    const scope = this.#broadcastScope as unknown as ProcessScope
    this.#calls.onWaiting(this.#logic.inputs[this.#inputs.length]!, waiting, waiting.at, scope)
  }

  #fire(atMs: number, timestampMs: number): void {
    this.#begin(timestampMs)
    this.#calls.onTimer(atMs, this.#scope)
  }

  #begin(timestampMs: number): void {
    this.#slice.count()
    const scope = this.#scope
    scope.key = this.#context.keyed.currentKey
    scope.atTime(timestampMs)
    this.#emitters.passTime(timestampMs)
  }
}
