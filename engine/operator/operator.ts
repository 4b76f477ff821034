import type { Doors } from '../base/doors.ts'
import type { Json } from '../base/json.ts'
import type { RecordBatch } from '../stream/record-batch.ts'
import type { SplitSequence } from './source.ts'
import type { KeyedStateBackend, MapState, StateDescriptor } from '../state/state.ts'
import type { TimerService } from '../time/timer-service.ts'

/**
 * The unit of logic of a task. Operators are synchronous and know nothing of threads, channels or
 * stores; everything comes in through their `OperatorContext`.
 *
 * Order of calls: open, then any of processBatch / advanceWatermark / advanceProcessingTime, then
 * finish until it returns true, then close. Between any two calls a snapshot may be taken, unless a
 * batch is not taken whole (`processFrom`): an operator keeps no record, result or counter outside
 * of its declared state between calls, except what it has handed to its output.
 */
export interface StreamOperator {
  /** Declares state and keeps the context. Called once, after which restored state is there. */
  open(context: OperatorContext): void
  /** `input` is 0, or 1 for the second input of a connected operator. Runs to its end. */
  processBatch(batch: RecordBatch, input: number): void
  /**
   * Takes the place of `processBatch` at the head of a chain, for operators that fire event-time
   * timers: before each record all that are due at the watermark before it (`batch.watermarks`).
   * Takes the records from `from` on and returns the index of the first that it has not taken. Less
   * than `batch.count`: firing paused (the output is out of credit, or enough for one slice), and it
   * is called again with the same batch and that index before anything else reaches this operator.
   */
  processFrom?(batch: RecordBatch, input: number, from: number): number
  /**
   * The combined watermark of all inputs has advanced to `ms`. Fires what is due. Returns false
   * when it stopped early (the output is out of credit, or enough for one slice): it is called
   * again with the same `ms` before anything else reaches this operator.
   * Not defined: passes watermarks on and does nothing.
   */
  advanceWatermark?(ms: number): boolean
  /** As `advanceWatermark`, for processing time. Called when `nextProcessingTimeMs` is due. */
  advanceProcessingTime?(nowMs: number): boolean
  /** Earliest processing time at which the operator wants to be called, or undefined. */
  nextProcessingTimeMs?(): number | undefined
  /** All inputs have ended and the watermark stands at its end. False: call again. */
  finish?(): boolean
  /** Watermark assigners behind a source: the splits this subtask reads have changed. */
  onSplit?(change: SplitChange): void
  /** Only watermark assigners behind a source: the watermark of one split, for its state. */
  splitWatermark?(index: number): number
  /**
   * Likewise, the least watermark of the splits that count, as it is: unlike the emitted one it
   * goes back with a split that was idle. MAX_WATERMARK: none counts.
   */
  leastSplitMs?(): number
  /** Likewise, what the split's generator goes on from after a restore; undefined: nothing. */
  splitGenerator?(index: number): Json | undefined
  /** Only watermark assigners: what gives their watermark; undefined: they are idle, or at an end. */
  lowestSplit?(): LowestSplit | undefined
  /**
   * The input, as a whole, is idle or active again. Rows emitted here stand before the status;
   * watermark assigners hand the status on themselves.
   */
  onInputIdle?(idle: boolean): void
  /** Only watermark assigners: they swallow the watermarks of their input and emit their own. */
  readonly emitsWatermarks?: boolean
  close?(): Promise<void> | void
}

/**
 * A split's life as a watermark assigner sees it. `watermarkMs` is the restored one. After
 * `expected` the watermark waits; each deal ends with `dealt` or, when it was the last, `complete`.
 */
export type SplitChange =
  | AddedSplit
  | { readonly type: 'finished'; readonly index: number }
  /** Nothing is expected of it for now, or something after all. */
  | { readonly type: 'resting'; readonly index: number; readonly resting: boolean }
  /** It is not read for now, because it is far ahead, and so is not silent. Undefined: all are. */
  | { readonly type: 'paused'; readonly index: number | undefined; readonly paused: boolean }
  /** Splits are about to be dealt, perhaps to other subtasks first. */
  | { readonly type: 'expected' }
  /** All splits of a deal are added; more may come later. */
  | { readonly type: 'dealt' }
  /** The same, and no more come; with all finished the task takes the watermark to its end. */
  | { readonly type: 'complete' }

/** For people: why a watermark stands where it does. Asking begins a new look at its records. */
export interface LowestSplit {
  readonly watermarkMs: number
  /** Undefined: a step has lost where its records come from. */
  readonly split: number | undefined
  /** What has come from it since the last look; `queued`: others are read before it. */
  readonly state: 'read' | 'silent' | 'queued'
}

export interface AddedSplit {
  readonly type: 'added'
  readonly index: number
  readonly watermarkMs: number | undefined
  /** Snapshot of the split's generator, where the checkpoint has one. */
  readonly generator?: Json | undefined
  readonly sequence?: SplitSequence | undefined
  /** Whether others are read first. */
  readonly isQueued?: () => boolean
}

export interface OperatorContext {
  readonly uid: string
  readonly name: string
  readonly subtask: number
  readonly parallelism: number
  readonly maxParallelism: number
  readonly doors: Doors
  readonly output: Output
  /** Keyed operators only; anywhere else it throws. The backend of this operator and subtask. */
  readonly keyed: KeyedStateBackend
  /** Keyed operators only: timers of the current key of `keyed`. */
  readonly timers: TimerQueue
  /** State that is equal in every subtask, for the broadcast side of a connected operator. */
  broadcastState<K, V>(descriptor: Extract<StateDescriptor, { type: 'map' }>): MapState<K, V>
  /** Tells the task which record of the batch at hand is being processed, for error messages. */
  recordIndex: number
}

/** Where an operator's results go. Never refuses; `hasCredit` says when to pause voluntarily. */
export interface Output {
  emit(batch: RecordBatch): void
  /** To a side output; a name nobody reads is dropped. */
  emitTo(side: string, batch: RecordBatch): void
  /** Only from operators with `emitsWatermarks`. Ignored unless greater than the last one. */
  emitWatermark(ms: number): void
  /** Only from operators with `emitsWatermarks`: this subtask's stream is idle, or active again. */
  emitIdle(idle: boolean): void
  /** False: stop producing (timers, finish) and return; the rest is asked for again. */
  hasCredit(): boolean
}

/** The task's and operator's side of timers: who registers them also fires them. */
export interface TimerQueue extends TimerService {
  /**
   * Fires the event-time timers at or before `ms` in order of (time, key bytes), setting the current
   * key of the backend before each. Stops and returns false when `mayContinue` says so between two.
   * `watermarkMs` is `ms` afterwards. In a callback it is the time of its timer, or the watermark
   * before the firing where that is later: so it does not depend on how far `ms` went at once.
   */
  fireEventTime(ms: number, onTimer: (atMs: number) => void, mayContinue: () => boolean): boolean
  /**
   * Steps in event-time order: records of the current key wait for this time. One place for each
   * key and time, however often it is asked for.
   */
  waitUntil(atMs: number): void
  /**
   * As `fireEventTime`, but one by one in the order of (time, places before timers, key bytes), so
   * that a timer set for the time at hand or an earlier one comes next. `onPlace` takes one record
   * of the current key and returns true when none is left at that time: the place is then removed.
   * Records of `unkeyed` come before the places and timers of their time. In a call `watermarkMs` is
   * the time at hand − 1.
   */
  fireInOrder(
    ms: number,
    onPlace: (atMs: number) => boolean,
    onTimer: (atMs: number) => void,
    mayContinue: () => boolean,
    unkeyed?: UnkeyedRecords,
  ): boolean
  fireProcessingTime(
    nowMs: number,
    onTimer: (atMs: number) => void,
    mayContinue: () => boolean,
  ): boolean
  /** Time of the first event-time timer; Infinity: there is none. */
  nextEventTimeMs(): number
  nextProcessingTimeMs(): number | undefined
}

/** Records without a key that wait for their time, the first first. */
export interface UnkeyedRecords {
  /** Infinity: none waits. */
  nextMs(): number
  take(): void
}
