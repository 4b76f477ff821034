import type { Add } from './window-fold.ts'
import type { OperatorContext } from '../../engine/operator/operator.ts'
import type { RecordBatch } from '../../engine/stream/record-batch.ts'
import type { Slices } from './window-slices.ts'
import type { WindowParts } from './window-operator.ts'
import { SliceTable } from './slice-table.ts'
import { WindowOperator } from './window-operator.ts'

/**
 * Tumbling and sliding windows. Beside W1–W4:
 *
 * S1. For each slice of a key there is a timer at end − 1 of the first of its windows that has not
 *     fired: set when the slice begins, and by each firing for the next window that shares a slice.
 * S2. A slice whose last window has fired has a timer at the moment it becomes late, unless that
 *     is the firing itself.
 */
export class SliceWindowOperator extends WindowOperator {
  readonly #slices: Slices
  readonly #latenessMs: number
  #table!: SliceTable
  #add!: Add
  // The slice of the last record and what holds for it until the watermark reaches `#changesAtMs`.
  #start = 0
  #end = -Infinity
  #isLate = false
  #hasFired = false
  #firstEnd = 0
  #lastEnd = 0
  #changesAtMs = Infinity

  constructor(parts: WindowParts, slices: Slices) {
    super(parts)
    this.#slices = slices
    this.#latenessMs = parts.allowedLatenessMs
  }

  protected override openState(context: OperatorContext): void {
    this.#table = new SliceTable(context.keyed, this.fold.accumulator)
  }

  protected override startBatch(batch: RecordBatch): void {
    this.#add = this.fold.bind(batch)
    this.#end = -Infinity
  }

  protected override add(ms: number, index: number): boolean {
    if (ms >= this.#end || ms < this.#start || this.watermarkMs >= this.#changesAtMs) {
      this.#enter(ms)
    }
    if (this.#isLate) return false
    const table = this.#table
    const before = table.get(this.#start)
    table.put(this.#start, this.#add(before, index))
    if (this.#hasFired) this.#fireAgain(before === undefined)
    else if (before === undefined) this.context.timers.registerEventTimeTimer(this.#firstEnd - 1)
    return true
  }

  protected override onTimer(atMs: number): void {
    const slices = this.#slices
    const end = atMs + 1
    if (slices.isWindowEnd(end)) {
      const latest = this.#fire(end)
      const next = slices.nextWindowEnd(end)
      if (latest >= slices.windowStart(next)) this.context.timers.registerEventTimeTimer(next - 1)
      if (this.#latenessMs === 0) this.#removeSlices(end)
      else if (latest >= slices.windowStart(end)) this.#planRemoval(end)
    }
    if (this.#latenessMs > 0 && slices.isWindowEnd(end - this.#latenessMs)) {
      this.#removeSlices(end - this.#latenessMs)
    }
  }

  #enter(ms: number): void {
    const slices = this.#slices
    const { watermarkMs } = this
    this.#start = slices.startOf(ms)
    this.#end = slices.endOf(this.#start)
    this.#firstEnd = slices.firstWindowEnd(this.#start)
    this.#lastEnd = slices.lastWindowEnd(this.#start)
    const lateAtMs = this.#lastEnd - 1 + this.#latenessMs
    this.#isLate = lateAtMs <= watermarkMs
    this.#hasFired = this.#firstEnd - 1 <= watermarkMs
    this.#changesAtMs = this.#isLate ? Infinity : this.#hasFired ? lateAtMs : this.#firstEnd - 1
  }

  /** The slice's windows that have fired and are not late fire anew; the first open one waits. */
  #fireAgain(isNew: boolean): void {
    const { timers } = this.context
    const { watermarkMs } = this
    let end = this.#firstEnd
    for (; end <= this.#lastEnd && end - 1 <= watermarkMs; end = this.#slices.nextWindowEnd(end)) {
      if (end - 1 + this.#latenessMs > watermarkMs) this.#fire(end)
    }
    if (!isNew) return
    if (end <= this.#lastEnd) timers.registerEventTimeTimer(end - 1)
    else this.#planRemoval(this.#lastEnd)
  }

  /** Gives out the window that ends here, if it holds anything; returns the start of its latest slice. */
  #fire(end: number): number {
    const slices = this.#slices
    const start = slices.windowStart(end)
    let latest = -Infinity
    let folded: unknown
    let single: unknown
    for (let slice = start; slice < end; slice = slices.endOf(slice)) {
      const accumulator = this.#table.get(slice)
      if (accumulator === undefined) continue
      if (latest === -Infinity) single = accumulator
      else {
        if (folded === undefined) folded = this.fold.merge(undefined, single)
        folded = this.fold.merge(folded, accumulator)
      }
      latest = slice
    }
    if (latest > -Infinity) {
      this.fold.emit(folded ?? single, this.context.keyed.currentKey, start, end)
    }
    return latest
  }

  #planRemoval(lastEnd: number): void {
    this.context.timers.registerEventTimeTimer(lastEnd - 1 + this.#latenessMs)
  }

  /** Removes the slices whose last window ends here. */
  #removeSlices(lastEnd: number): void {
    const slices = this.#slices
    for (let slice = slices.windowStart(lastEnd); slice < lastEnd; slice = slices.endOf(slice)) {
      if (slices.lastWindowEnd(slice) !== lastEnd) return
      this.#table.remove(slice)
    }
  }
}
