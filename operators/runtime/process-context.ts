import type { OperatorContext, Output, TimerQueue } from '../../engine/operator/operator.ts'
import type { RecordBatch } from '../../engine/stream/record-batch.ts'
import type { KeyedStateBackend, StateDescriptor } from '../../engine/state/state.ts'
import type { TimerService } from '../../engine/time/timer-service.ts'
import { RowEmitter } from '../../engine/operator/row-emitter.ts'
import { StreamError } from '../../engine/base/errors.ts'
import { MAX_WATERMARK } from '../../engine/stream/elements.ts'
import { isTime } from '../../engine/stream/value-fit.ts'

/** The main output and the side outputs of an operator, as one. */
export class Emitters {
  readonly #output: Output
  readonly #known: readonly string[] | 'any'
  readonly #main: RowEmitter
  readonly #sides = new Map<string, RowEmitter>()
  readonly #all: RowEmitter[]
  #source: RecordBatch | undefined

  constructor(output: Output, sides: readonly string[] | 'any') {
    this.#output = output
    this.#known = sides
    this.#main = new RowEmitter(output)
    this.#all = [this.#main]
  }

  begin(batch: RecordBatch): void {
    this.#source = batch
    for (const emitter of this.#all) emitter.begin(batch)
  }

  /** The watermark that holds before the rows that timers make. */
  get watermarkMs(): number {
    return this.#main.watermarkMs
  }

  set watermarkMs(ms: number) {
    for (const emitter of this.#all) emitter.watermarkMs = ms
  }

  /**
   * Something in event time happens at `atMs`, and nothing earlier any more: rows that follow have
   * the watermark just before it, however far the watermark goes that lets it happen.
   */
  passTime(atMs: number): void {
    if (atMs - 1 > this.watermarkMs) this.watermarkMs = atMs - 1
  }

  /** Of the main output, or of a side output that is named. */
  of(side: string | undefined): RowEmitter {
    return side === undefined ? this.#main : (this.#sides.get(side) ?? this.#open(side))
  }

  drain(): void {
    for (const emitter of this.#all) emitter.drain()
  }

  flush(): void {
    for (const emitter of this.#all) emitter.flush()
    this.#source = undefined
  }

  #open(side: string): RowEmitter {
    if (this.#known !== 'any' && !this.#known.includes(side)) throw this.#unknown(side)
    const emitter = new RowEmitter(this.#output, side)
    emitter.watermarkMs = this.watermarkMs
    if (this.#source !== undefined) emitter.begin(this.#source)
    this.#sides.set(side, emitter)
    this.#all.push(emitter)
    return emitter
  }

  #unknown(side: string): StreamError {
    const known = this.#known === 'any' ? [] : this.#known
    const names = known.length === 0 ? 'none' : `"${known.join(', ')}"`
    return new StreamError(
      'OPTION_INVALID',
      `emitTo names "${side}", the side outputs are ${names}`,
      {
        hint: 'Declare the side output among the sides of the step.',
      },
    )
  }
}

/**
 * What a user's process function is given: one object for the life of the operator, its fields set
 * before each call. `emit` and `emitTo` are bound, so that they can be taken out of it.
 */
export class ProcessScope {
  /** Event time of the record at hand, or time of the timer; NaN: it has none. */
  timestampMs = NaN
  key: unknown = undefined
  readonly timers: TimerService | undefined
  readonly state: Readonly<Record<string, unknown>>
  broadcast: Readonly<Record<string, unknown>> = {}
  window: { readonly start: number; readonly end: number } | undefined = undefined
  readonly emit: (record: unknown) => void
  readonly emitTo: (side: string, record: unknown) => void
  /** Index of the record at hand; negative: none is, and rows have the time at hand. */
  #index = -1

  constructor(
    emitters: Emitters,
    timers: TimerService | undefined,
    state: Readonly<Record<string, unknown>>,
  ) {
    this.timers = timers
    this.state = state
    const push = (emitter: RowEmitter, record: unknown): void => {
      if (this.#index >= 0) emitter.push(record, this.#index)
      else emitter.pushAt(record, this.timestampMs)
    }
    this.emit = (record) => {
      push(emitters.of(undefined), record)
    }
    this.emitTo = (side, record) => {
      push(emitters.of(side), record)
    }
  }

  /** A call for record `index` of the batch is about to be made. */
  atRecord(index: number, timestampMs: number): void {
    this.#index = index
    this.timestampMs = timestampMs
  }

  /** A call for no record is about to be made: of a timer, or of a window that fires. */
  atTime(timestampMs: number): void {
    this.#index = -1
    this.timestampMs = timestampMs
  }
}

/** The timers of the current key without what is the engine's; a time is checked to be one. */
export class UserTimers implements TimerService {
  readonly #queue: TimerQueue

  constructor(queue: TimerQueue) {
    this.#queue = queue
  }

  get watermarkMs(): number {
    return this.#queue.watermarkMs
  }

  get processingTimeMs(): number {
    return this.#queue.processingTimeMs
  }

  registerEventTimeTimer(atMs: number): void {
    this.#queue.registerEventTimeTimer(timeOf(atMs))
  }

  deleteEventTimeTimer(atMs: number): void {
    this.#queue.deleteEventTimeTimer(timeOf(atMs))
  }

  registerProcessingTimeTimer(atMs: number): void {
    this.#queue.registerProcessingTimeTimer(timeOf(atMs))
  }

  deleteProcessingTimeTimer(atMs: number): void {
    this.#queue.deleteProcessingTimeTimer(timeOf(atMs))
  }
}

/** A time that can be stored, or the end of the input, which is behind all of them. */
function timeOf(atMs: number): number {
  if (isTime(atMs) || atMs === MAX_WATERMARK) return atMs
  throw new StreamError('VALUE_UNFIT', `a timer was asked for at ${String(atMs)}`, {
    hint: 'A timer stands at whole milliseconds since 1970, up to 8.64e15 either way: round it. Number.MAX_SAFE_INTEGER is the end of the input.',
  })
}

/** The handles of declared states, by the names the user gave them. */
export function openStates(
  backend: KeyedStateBackend,
  states: Readonly<Record<string, StateDescriptor>>,
): Readonly<Record<string, unknown>> {
  const handles = Object.create(null) as Record<string, unknown>
  for (const [name, descriptor] of Object.entries(states)) {
    handles[name] = openState(backend, descriptor)
  }
  return handles
}

export function openState(backend: KeyedStateBackend, descriptor: StateDescriptor): unknown {
  switch (descriptor.type) {
    case 'value':
      return backend.value(descriptor)
    case 'list':
      return backend.list(descriptor)
    case 'map':
      return backend.map(descriptor)
    default:
      return descriptor satisfies never
  }
}

/** The handles of broadcast states: to write, and the same to read only. */
export function openBroadcast(
  context: OperatorContext,
  states: Readonly<Record<string, StateDescriptor>>,
): {
  readonly writable: Readonly<Record<string, unknown>>
  readonly readable: Readonly<Record<string, unknown>>
} {
  const writable = Object.create(null) as Record<string, unknown>
  const readable = Object.create(null) as Record<string, unknown>
  for (const [name, descriptor] of Object.entries(states)) {
    if (descriptor.type !== 'map') {
      throw new StreamError('JOB_INVALID', `broadcast state "${name}" is no map`, {
        hint: 'Declare it with mapState(…).',
      })
    }
    const state = context.broadcastState<unknown, unknown>(descriptor)
    writable[name] = state
    readable[name] = {
      get: (key: unknown) => state.get(key),
      has: (key: unknown) => state.has(key),
      entries: () => state.entries(),
    }
  }
  return { writable, readable }
}
