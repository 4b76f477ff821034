/** How a stream's watermarks come about, as jobs write it. */
import type { Duration } from '../engine/time/duration.ts'
import type {
  WatermarkGenerator,
  WatermarkStrategyData,
} from '../engine/time/watermark-strategy.ts'
import { StreamError } from '../engine/base/errors.ts'
import { ASYNC_HINT, isAsyncFunction } from '../engine/operator/user-error.ts'
import { boundedStrategy, ownStrategy } from '../engine/time/watermark-strategy.ts'

export type { WatermarkGenerator }

export interface WatermarkStrategy {
  readonly kind: 'watermarks'
  /** A split without a record for this long no longer holds the others back. */
  withIdleness(after: Duration): WatermarkStrategy
  /**
   * How far the source may read ahead of the slowest one that it meets in a step. Beyond it the
   * source pauses until the slowest one catches up, turns idle or ends. 'off': it neither waits for
   * others nor makes them wait.
   */
  withWatermarkAlignment(alignment: WatermarkAlignment | 'off'): WatermarkStrategy
}

/** A source pauses when it has passed both bounds. */
export interface WatermarkAlignment {
  /** By how much its watermark may be ahead of the slowest active source. Default: minutes(1). */
  readonly maxDrift?: Duration
  /** How much each subtask may read of what lies further ahead, in MiB. Default: 16. */
  readonly readAheadMb?: number
}

/** Records may be up to `maximum` behind the latest one. */
export function boundedOutOfOrderness(maximum: Duration): WatermarkStrategy {
  if (!Number.isSafeInteger(maximum) || maximum < 0) {
    throw new StreamError('OPTION_INVALID', `boundedOutOfOrderness was given ${String(maximum)}`, {
      hint: 'Give a duration of whole milliseconds, 0 or more, for example seconds(30).',
    })
  }
  return boundedStrategy(maximum)
}

/** Records come in the order of their times, within a split. */
export function monotonous(): WatermarkStrategy {
  return boundedStrategy(0)
}

/** One's own watermarks: `create` makes a generator for each split. */
export function watermarkGenerator(create: () => WatermarkGenerator): WatermarkStrategy {
  if (typeof create !== 'function') {
    throw new StreamError('OPTION_INVALID', 'watermarkGenerator was not given a function', {
      hint: 'Give a function that makes a generator: each split gets its own.',
    })
  }
  if (isAsyncFunction(create)) {
    throw new StreamError('STEP_ASYNC', 'the function of watermarkGenerator is async', {
      hint: ASYNC_HINT,
    })
  }
  return ownStrategy(create)
}

/** The data below a strategy. Throws OPTION_INVALID for what is none. */
export function strategyData(strategy: unknown): WatermarkStrategyData {
  const data = strategy as WatermarkStrategyData | null | undefined
  if (typeof data === 'object' && data?.kind === 'watermarks') return data
  throw new StreamError('OPTION_INVALID', 'a watermark strategy is expected', {
    hint: 'Give boundedOutOfOrderness(seconds(30)), monotonous() or watermarkGenerator(…).',
  })
}
