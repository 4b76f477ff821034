import { inspect } from 'node:util'
import type { Json } from '../base/json.ts'
import type { AlignmentBounds, WatermarkAlignment } from './watermark-alignment.ts'
import { StreamError } from '../base/errors.ts'
import { MAX_WATERMARK, MIN_WATERMARK } from '../stream/elements.ts'
import { alignmentBounds } from './watermark-alignment.ts'

/** Makes watermarks for one split, or for one subtask where splits are not known. */
export interface WatermarkGenerator {
  /** A record with this event time has been seen. */
  onRecord(timeMs: number): void
  /**
   * No record at or before this time is expected any more. May stand still, must not go back. Asked
   * after each record.
   */
  watermarkMs(): number
  /**
   * What a generator of the same split needs to go on from here after a restore, as JSON. Without
   * it a restored split goes on from its watermark with a new generator, which has seen no record.
   */
  snapshot?(): Json
  /** Called with a snapshot, before the first record. */
  restore?(snapshot: Json): void
}

/** How a stream's watermarks come about: plain data, but for the user's own generator. */
export interface WatermarkStrategy {
  readonly kind: 'watermarks'
  /** A split without a record for this long no longer holds the others back. */
  withIdleness(afterMs: number): WatermarkStrategy
  /**
   * How far the source may read ahead of the slowest one that it meets; 'off': it neither waits for
   * others nor makes them wait.
   */
  withWatermarkAlignment(alignment: WatermarkAlignment | 'off'): WatermarkStrategy
}

/** What a strategy is below its type. */
export interface WatermarkStrategyData extends WatermarkStrategy {
  readonly generator:
    | { readonly type: 'bounded'; readonly boundMs: number }
    | { readonly type: 'own'; create(): WatermarkGenerator }
  readonly idleMs: number | undefined
  /** Undefined: the job does not say. */
  readonly alignment: AlignmentBounds | 'off' | undefined
}

export function watermarkStrategyData(strategy: WatermarkStrategy): WatermarkStrategyData {
  return strategy as WatermarkStrategyData
}

/** Records may be up to `boundMs` behind the latest one: the watermark is its time − bound − 1. */
export function boundedStrategy(boundMs: number): WatermarkStrategy {
  return strategyOf({ type: 'bounded', boundMs }, undefined, undefined)
}

export function ownStrategy(create: () => WatermarkGenerator): WatermarkStrategy {
  return strategyOf({ type: 'own', create }, undefined, undefined)
}

function strategyOf(
  generator: WatermarkStrategyData['generator'],
  idleMs: number | undefined,
  alignment: AlignmentBounds | 'off' | undefined,
): WatermarkStrategyData {
  return {
    kind: 'watermarks',
    generator,
    idleMs,
    alignment,
    withIdleness: (afterMs) => strategyOf(generator, checkIdleness(afterMs), alignment),
    withWatermarkAlignment: (given) => strategyOf(generator, idleMs, alignmentBounds(given)),
  }
}

function checkIdleness(afterMs: unknown): number {
  if (Number.isSafeInteger(afterMs) && (afterMs as number) > 0) return afterMs as number
  throw new StreamError('OPTION_INVALID', `withIdleness was given ${inspect(afterMs)}`, {
    hint: 'Give a duration of whole milliseconds, 1 or more, for example minutes(1).',
  })
}

/** The latest time seen, less a bound. */
export class BoundedGenerator implements WatermarkGenerator {
  readonly #boundMs: number
  #latestMs = -Infinity

  constructor(boundMs: number) {
    this.#boundMs = boundMs
  }

  onRecord(timeMs: number): void {
    if (timeMs > this.#latestMs) this.#latestMs = timeMs
  }

  watermarkMs(): number {
    return Math.max(MIN_WATERMARK, this.#latestMs - this.#boundMs - 1)
  }
}

/** A generator as the engine uses it. `snapshot` gives undefined where there is nothing to keep. */
export interface SplitGenerator {
  onRecord(timeMs: number): void
  watermarkMs(): number
  snapshot?(): Json | undefined
  restore?(snapshot: Json): void
}

export function createGenerator(strategy: WatermarkStrategyData): SplitGenerator {
  return strategy.generator.type === 'bounded'
    ? new BoundedGenerator(strategy.generator.boundMs)
    : new WholeMsGenerator(strategy.generator.create())
}

/** A user's generator, its watermarks in whole milliseconds, as event times are. */
class WholeMsGenerator {
  readonly #own: WatermarkGenerator

  /** `made` is what the user's function gave. */
  constructor(made: unknown) {
    const own = made as
      Partial<Record<keyof WatermarkGenerator | 'then', unknown>> | null | undefined
    const lacking = (['onRecord', 'watermarkMs'] as const).find((part) => {
      return typeof own?.[part] !== 'function'
    })
    if (lacking !== undefined) {
      const isPromise = typeof own?.then === 'function'
      throw new StreamError(
        isPromise ? 'STEP_ASYNC' : 'OPTION_INVALID',
        isPromise
          ? 'the function of watermarkGenerator returned a promise'
          : `the function of watermarkGenerator made a generator without "${lacking}"`,
        { hint: 'Return an object with the functions onRecord(timeMs) and watermarkMs().' },
      )
    }
    this.#own = own as WatermarkGenerator
  }

  onRecord(timeMs: number): void {
    this.#own.onRecord(timeMs)
  }

  watermarkMs(): number {
    const ms: unknown = this.#own.watermarkMs()
    if (typeof ms !== 'number' || Number.isNaN(ms)) {
      throw new StreamError('VALUE_UNFIT', `a watermark generator gave ${inspect(ms)}`, {
        hint: 'watermarkMs() returns milliseconds since 1970; -Infinity before the first record.',
      })
    }
    // No time lies between a fraction and the millisecond below it.
    return Math.max(MIN_WATERMARK, Math.min(MAX_WATERMARK, Math.floor(ms)))
  }

  snapshot(): Json | undefined {
    return this.#own.snapshot?.()
  }

  restore(snapshot: Json): void {
    this.#own.restore?.(snapshot)
  }
}
