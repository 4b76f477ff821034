import type { SplitSequence } from '../../engine/operator/source.ts'
import type { Json } from '../../engine/base/json.ts'
import type { SplitGenerator, WatermarkStrategyData } from '../../engine/time/watermark-strategy.ts'
import { MIN_WATERMARK } from '../../engine/stream/elements.ts'
import { createGenerator } from '../../engine/time/watermark-strategy.ts'

/** Records of a batch that stand next to each other and come from one split: `from .. to`. */
export interface Run {
  readonly times: Float64Array
  readonly watermarks: Float64Array
  from: number
  to: number
  /** Watermark of the other splits that count; Infinity: there are none. */
  leastOfOthers: number
}

/**
 * The splits whose least watermark is their subtask's: those that are not idle, and of splits that
 * follow each other only the earliest.
 */
export function splitsThatCount(splits: Iterable<SplitClock>): readonly SplitClock[] {
  const counting: SplitClock[] = []
  const earliest = new Map<string, SplitClock>()
  for (const split of splits) {
    const { sequence } = split
    if (split.idle) continue
    if (sequence === undefined) {
      counting.push(split)
      continue
    }
    const other = earliest.get(sequence.name)
    if (other === undefined || sequence.place < other.sequence!.place) {
      earliest.set(sequence.name, split)
    }
  }
  return [...counting, ...earliest.values()]
}

/** Generator and watermark of one split. */
export class SplitClock {
  readonly #generator: SplitGenerator
  readonly index: number
  sequence: SplitSequence | undefined
  /** Whether records came since someone looked. */
  isRead = false
  isQueued: (() => boolean) | undefined
  /** Not read for now, because it is far ahead. */
  isPaused = false
  watermarkMs: number
  idle = false
  seenAtMs: number
  /** Index of the record that the generator is asked about, for errors. */
  observing = -1

  constructor(
    index: number,
    strategy: WatermarkStrategyData,
    restoredMs: number | undefined,
    nowMs: number,
  ) {
    this.index = index
    this.#generator = createGenerator(strategy)
    this.watermarkMs = restoredMs ?? MIN_WATERMARK
    this.seenAtMs = nowMs
  }

  /** What the generator wants to go on from after a restore; undefined: nothing. */
  snapshot(): Json | undefined {
    return this.#generator.snapshot?.()
  }

  restore(snapshot: Json): void {
    this.#generator.restore?.(snapshot)
  }

  /**
   * Writes the combined watermark before each record of the run, from `combinedMs` on, and returns
   * what it is behind the last.
   */
  observe(run: Run, combinedMs: number): number {
    const generator = this.#generator
    const { times, watermarks, to, leastOfOthers } = run
    let combined = combinedMs
    for (let index = run.from; index < to; index += 1) {
      this.observing = index
      const timeMs = times[index]!
      generator.onRecord(timeMs)
      const ms = generator.watermarkMs()
      if (ms <= this.watermarkMs) {
        watermarks[index] = combined
        continue
      }
      this.watermarkMs = ms
      const raised = Math.max(combined, Math.min(ms, leastOfOthers))
      watermarks[index] = ms < timeMs ? raised : combined
      combined = raised
    }
    return combined
  }
}
