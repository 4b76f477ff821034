import type {
  AddedSplit,
  LowestSplit,
  OperatorContext,
  SplitChange,
  StreamOperator,
} from '../../engine/operator/operator.ts'
import type { Json } from '../../engine/base/json.ts'
import type { RecordBatch } from '../../engine/stream/record-batch.ts'
import type { WatermarkStrategyData } from '../../engine/time/watermark-strategy.ts'
import type { Run } from './split-clock.ts'
import { isValid } from '../../engine/stream/columns.ts'
import { MAX_WATERMARK, MIN_WATERMARK } from '../../engine/stream/elements.ts'
import { isTime } from '../../engine/stream/value-fit.ts'
import {
  asyncError,
  isPromiseLike,
  recordError,
  userError,
} from '../../engine/operator/user-error.ts'
import { SplitClock, splitsThatCount } from './split-clock.ts'

/** Where a record's event time stands. */
export type TimeSelector =
  | { readonly type: 'field'; readonly field: string }
  | { readonly type: 'function'; readonly select: (record: never) => number }

/**
 * Gives records their event time and makes the stream's watermarks from it.
 *
 * T1. Behind a source each split has a generator of its own, and the watermark is the least of all
 *     splits that are open and not idle; a split not yet read holds it back.
 * T2. Elsewhere there is one generator, for whatever arrives.
 * T3. A split's watermark never goes back, and starts at the restored one. A restored split is
 *     active.
 * T4. A generator is asked after each record. The watermark that a record causes stands before it
 *     where it is less than the record's time, else behind it: no record makes itself late. The
 *     batch says what holds before each record; what holds behind the last one follows the batch.
 * T5. The watermark moves only when a record has been read, or a split has ended or turned idle.
 * T6. Behind a source, a subtask that has been dealt its splits and has none open is idle while
 *     more may come. Before the first deal, and from `expected` to the deal, it holds.
 * T7. Elsewhere it is idle when its whole input is.
 * T8. Of open splits that follow each other only the earliest counts that is not idle. The next one
 *     goes on from its watermark. A split that waits for others to be read first is not idle, nor
 *     is one that is paused because it is far ahead.
 */
export class AssignWatermarksOperator implements StreamOperator {
  readonly emitsWatermarks = true
  readonly #time: TimeSelector
  readonly #strategy: WatermarkStrategyData
  readonly #splits = new Map<number, SplitClock>()
  #context!: OperatorContext
  #perSplit = false
  /** Behind a source: how many splits are open, and what is known of further ones. */
  #isBehindSource = false
  #openSplits = 0
  #deal: 'none' | 'expected' | 'dealt' | 'complete' = 'none'
  #inputIdle = false
  #emittedMs = MIN_WATERMARK
  #idle = false
  /** The splits whose least watermark is the subtask's (T1, T8); undefined: to be found anew. */
  #counting: readonly SplitClock[] | undefined
  /** No split turns idle before this. */
  #checkAtMs: number | undefined

  constructor(time: TimeSelector, strategy: WatermarkStrategyData) {
    this.#time = time
    this.#strategy = strategy
  }

  open(context: OperatorContext): void {
    this.#context = context
    const nowMs = context.doors.clock.nowMs()
    this.#splits.set(UNSPLIT, new SplitClock(UNSPLIT, this.#strategy, undefined, nowMs))
    this.#planCheck()
  }

  onSplit(change: SplitChange): void {
    if (!this.#isBehindSource) {
      this.#isBehindSource = true
      this.#perSplit = true
      this.#splits.delete(UNSPLIT)
    }
    switch (change.type) {
      case 'added':
        this.#openSplits += 1
        if (this.#perSplit) this.#add(change)
        break
      case 'finished':
        this.#openSplits -= 1
        this.#finish(change.index)
        break
      case 'resting': {
        const split = this.#splits.get(change.index)
        if (split !== undefined) split.idle = change.resting
        break
      }
      case 'paused':
        this.#pause(change.index, change.paused)
        this.#planCheck()
        return
      default:
        this.#deal = change.type
    }
    this.#counting = undefined
    if (change.type !== 'added') this.#refresh()
    this.#planCheck()
  }

  onInputIdle(idle: boolean): void {
    if (this.#isBehindSource) return
    this.#inputIdle = idle
    this.#refresh()
  }

  /** The watermark of one split, for its state: what it starts at when restored. */
  splitWatermark(index: number): number {
    return this.#splits.get(index)?.watermarkMs ?? MIN_WATERMARK
  }

  leastSplitMs(): number {
    if (this.#isBehindSource && this.#openSplits === 0) return MAX_WATERMARK
    let ms = MAX_WATERMARK
    for (const split of this.#splitsThatCount()) if (split.watermarkMs < ms) ms = split.watermarkMs
    return ms
  }

  splitGenerator(index: number): Json | undefined {
    return this.#splits.get(index)?.snapshot()
  }

  lowestSplit(): LowestSplit | undefined {
    if (this.#idle) return undefined
    let lowest: SplitClock | undefined
    for (const split of this.#splitsThatCount()) {
      if (lowest === undefined || split.watermarkMs < lowest.watermarkMs) lowest = split
    }
    if (lowest === undefined) return undefined
    const { watermarkMs, index } = lowest
    const state = lowest.isQueued?.() === true ? 'queued' : lowest.isRead ? 'read' : 'silent'
    for (const split of this.#splits.values()) split.isRead = false
    return { watermarkMs, split: index === UNSPLIT ? undefined : index, state }
  }

  processBatch(batch: RecordBatch): void {
    if (batch.count === 0) return
    const times =
      this.#time.type === 'function'
        ? this.#timesByFunction(batch, this.#time.select)
        : this.#timesByField(batch, this.#time.field)
    const watermarks = this.#observe(batch, times)
    if (!this.#inputIdle) this.#activate()
    this.#context.output.emit(batch.withTimes(times, watermarks))
    this.#refresh()
    if (this.#checkAtMs === undefined) this.#planCheck()
  }

  nextProcessingTimeMs(): number | undefined {
    return this.#checkAtMs
  }

  advanceProcessingTime(nowMs: number): boolean {
    if (this.#checkAtMs === undefined || nowMs < this.#checkAtMs) return true
    const idleMs = this.#strategy.idleMs!
    const blocked = !this.#context.output.hasCredit()
    for (const split of this.#splits.values()) {
      // A split that was held up by what is downstream has not been silent.
      if (blocked || split.isPaused || split.isQueued?.() === true) split.seenAtMs = nowMs
      else if (nowMs - split.seenAtMs >= idleMs) split.idle = true
    }
    this.#counting = undefined
    this.#refresh()
    this.#planCheck()
    return true
  }

  /** Emits no watermark: others may be about to be added that are further behind (T5). */
  #add({ index, watermarkMs, generator, sequence, isQueued }: AddedSplit): void {
    const nowMs = this.#context.doors.clock.nowMs()
    const split = new SplitClock(index, this.#strategy, watermarkMs, nowMs)
    split.sequence = sequence
    split.isQueued = isQueued
    if (generator !== undefined) split.restore(generator)
    this.#splits.set(index, split)
  }

  /** The time of silence begins when it is read again. */
  #pause(index: number | undefined, isPaused: boolean): void {
    const nowMs = this.#context.doors.clock.nowMs()
    for (const split of this.#splits.values()) {
      if (index !== undefined && split.index !== index) continue
      split.isPaused = isPaused
      split.seenAtMs = nowMs
    }
  }

  /** T8. */
  #finish(index: number): void {
    const ended = this.#splits.get(index)
    this.#splits.delete(index)
    if (ended?.sequence === undefined) return
    const { name, place } = ended.sequence
    let next: SplitClock | undefined
    for (const split of this.#splits.values()) {
      const { sequence } = split
      if (sequence?.name !== name || sequence.place < place) continue
      if (next === undefined || sequence.place < next.sequence!.place) next = split
    }
    if (next !== undefined && next.watermarkMs < ended.watermarkMs) {
      next.watermarkMs = ended.watermarkMs
    }
  }

  /** Before records go on, whoever is behind must know that this subtask is not idle. */
  #activate(): void {
    if (!this.#idle) return
    this.#idle = false
    this.#context.output.emitIdle(false)
  }

  #timesByFunction(batch: RecordBatch, select: (record: never) => number): Float64Array {
    const { rows, count } = batch
    const timeOf = select as (record: unknown) => unknown
    const times = new Float64Array(count)
    let index = 0
    try {
      for (; index < count; index += 1) {
        const ms = timeOf(rows[index])
        if (!isTime(ms)) throw this.#unfit(batch, index, ms)
        times[index] = ms
      }
    } catch (thrown) {
      throw userError(thrown, this.#context, batch, index)
    }
    return times
  }

  #timesByField(batch: RecordBatch, field: string): Float64Array {
    const column = batch.hasRows ? undefined : batch.columns?.column(field)
    if (column === undefined || 'offsets' in column) {
      return this.#timesByFunction(batch, (record: Record<string, number>) => record[field]!)
    }
    const times = new Float64Array(batch.count)
    const { values, validity } = column
    if (validity === undefined && values instanceof Float64Array) {
      times.set(values.length === batch.count ? values : values.subarray(0, batch.count))
      this.#checkTimes(batch, times)
      return times
    }
    for (let index = 0; index < batch.count; index += 1) {
      const found = isValid(validity, index) ? values[index] : null
      const ms = Number(found ?? NaN)
      if (!isTime(ms)) throw this.#unfit(batch, index, found)
      times[index] = ms
    }
    return times
  }

  #checkTimes(batch: RecordBatch, times: Float64Array): void {
    for (let index = 0; index < times.length; index += 1) {
      if (!isTime(times[index])) throw this.#unfit(batch, index, times[index])
    }
  }

  #unfit(batch: RecordBatch, index: number, found: unknown): Error {
    if (isPromiseLike(found)) {
      return asyncError('assignTimestampsAndWatermarks', this.#context, batch, index)
    }
    const what = this.#time.type === 'field' ? `"${this.#time.field}"` : 'the function'
    const isShown = found === null || typeof found === 'number' || typeof found === 'bigint'
    const shown = isShown ? String(found) : found === undefined ? 'missing' : typeof found
    return recordError(
      'VALUE_UNFIT',
      `the event time of a record, by ${what} of "${this.#context.name}", is ${shown}`,
      'Event time is whole milliseconds since 1970, up to 8.64e15 either way: round it, or filter the record out before.',
      this.#context,
      batch,
      index,
    )
  }

  /** T4. Returns the watermark before each record. */
  #observe(batch: RecordBatch, times: Float64Array): Float64Array {
    const nowMs = this.#strategy.idleMs === undefined ? 0 : this.#context.doors.clock.nowMs()
    const { splits, count } = batch
    const watermarks = new Float64Array(count)
    const run: Run = { times, watermarks, from: 0, to: count, leastOfOthers: 0 }
    let ms = this.#emittedMs
    if (!this.#perSplit || splits === undefined) {
      ms = this.#observeRun(batch, this.#clockWithoutSplits(nowMs), run, ms, nowMs)
    } else if (typeof splits === 'number') {
      ms = this.#observeRun(batch, this.#clockOf(splits, nowMs), run, ms, nowMs)
    } else {
      for (let from = 0; from < count; from = run.to) {
        const split = splits[from]!
        let to = from + 1
        while (to < count && splits[to] === split) to += 1
        run.from = from
        run.to = to
        ms = this.#observeRun(batch, this.#clockOf(split, nowMs), run, ms, nowMs)
      }
    }
    return watermarks
  }

  /** Records of one split, next to each other. Returns the combined watermark behind them. */
  #observeRun(
    batch: RecordBatch,
    clock: SplitClock,
    run: Run,
    combinedMs: number,
    nowMs: number,
  ): number {
    clock.seenAtMs = nowMs
    run.leastOfOthers = this.#deal === 'expected' ? MIN_WATERMARK : this.#leastOfOthers(clock)
    try {
      return clock.observe(run, combinedMs)
    } catch (thrown) {
      throw userError(thrown, this.#context, batch, clock.observing)
    }
  }

  /** Least watermark of the other splits that count; Infinity: there are none. */
  #leastOfOthers(clock: SplitClock): number {
    let least = Infinity
    for (const split of this.#splitsThatCount()) {
      if (split !== clock && split.watermarkMs < least) least = split.watermarkMs
    }
    return least
  }

  #clockOf(split: number, nowMs: number): SplitClock {
    let clock = this.#splits.get(split)
    if (clock === undefined) {
      clock = new SplitClock(split, this.#strategy, undefined, nowMs)
      this.#splits.set(split, clock)
      this.#counting = undefined
    } else if (clock.idle) {
      clock.idle = false
      this.#counting = undefined
    }
    clock.isRead = true
    return clock
  }

  /** A step before this one has lost the records' splits: from now on all are one (T2). */
  #clockWithoutSplits(nowMs: number): SplitClock {
    if (this.#perSplit) {
      this.#perSplit = false
      this.#splits.clear()
    }
    return this.#clockOf(UNSPLIT, nowMs)
  }

  /** Sets `#checkAtMs`. It is a lower bound: records seen since only move the true time on. */
  #planCheck(): void {
    const { idleMs } = this.#strategy
    if (idleMs === undefined) return
    let silentSinceMs = Infinity
    for (const split of this.#splits.values()) {
      if (!split.idle && split.seenAtMs < silentSinceMs) silentSinceMs = split.seenAtMs
    }
    this.#checkAtMs = silentSinceMs === Infinity ? undefined : silentSinceMs + idleMs
  }

  #splitsThatCount(): readonly SplitClock[] {
    return (this.#counting ??= splitsThatCount(this.#splits.values()))
  }

  /** T1: emits the combined watermark and status when they have changed. */
  #refresh(): void {
    let ms = MAX_WATERMARK
    const counting = this.#splitsThatCount()
    const active = counting.length > 0
    for (const split of counting) if (split.watermarkMs < ms) ms = split.watermarkMs
    if (!active) {
      ms = MIN_WATERMARK
      for (const split of this.#splits.values()) ms = Math.max(ms, split.watermarkMs)
    }
    const isEmpty = this.#isBehindSource && this.#openSplits === 0
    const idle = isEmpty
      ? this.#deal === 'dealt'
      : this.#deal !== 'expected' && (this.#inputIdle || (!active && this.#splits.size > 0))
    if (!idle) this.#activate()
    if (this.#deal === 'expected') return
    if (ms > this.#emittedMs) {
      this.#emittedMs = ms
      this.#context.output.emitWatermark(ms)
    }
    if (!this.#idle && idle) {
      this.#idle = true
      this.#context.output.emitIdle(true)
    }
  }
}

/** Index of the one generator where splits are not known. */
const UNSPLIT = -1
