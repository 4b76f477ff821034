import { inspect } from 'node:util'
import { StreamError } from '../base/errors.ts'
import { ALIGNMENT_DRIFT_MS, ALIGNMENT_READ_AHEAD_MB } from '../base/limits.ts'

/**
 * A source pauses when it has passed both bounds: its watermark is more than `maxDrift` ahead of the
 * slowest active source, and it has read more than `readAheadMb` of what lies that far ahead.
 */
export interface WatermarkAlignment {
  /** In event time. */
  readonly maxDrift?: number
  /** MiB, for each subtask of the source. */
  readonly readAheadMb?: number
}

/** The same with its defaults. */
export interface AlignmentBounds {
  readonly maxDriftMs: number
  readonly readAheadBytes: number
}

const OPTIONS = ['maxDrift', 'readAheadMb']

/** Where the job says nothing. */
export const DEFAULT_ALIGNMENT: AlignmentBounds = {
  maxDriftMs: ALIGNMENT_DRIFT_MS,
  readAheadBytes: ALIGNMENT_READ_AHEAD_MB * 1_024 * 1_024,
}

/** What a strategy was given, checked, with its defaults. Throws OPTION_INVALID. */
export function alignmentBounds(given: WatermarkAlignment | 'off'): AlignmentBounds | 'off' {
  if (given === 'off') return given
  if (typeof given !== 'object' || (given as unknown) === null || Array.isArray(given)) {
    throw invalid(`withWatermarkAlignment was given ${inspect(given)}`)
  }
  const unknown = Object.keys(given).find((name) => !OPTIONS.includes(name))
  if (unknown !== undefined) throw invalid(`withWatermarkAlignment has no option "${unknown}"`)
  const { maxDrift = ALIGNMENT_DRIFT_MS, readAheadMb = ALIGNMENT_READ_AHEAD_MB } = given
  if (!Number.isSafeInteger(maxDrift) || maxDrift < 0) {
    throw invalid(`maxDrift of withWatermarkAlignment is ${inspect(maxDrift)}`)
  }
  if (!Number.isFinite(readAheadMb) || readAheadMb <= 0) {
    throw invalid(`readAheadMb of withWatermarkAlignment is ${inspect(readAheadMb)}`)
  }
  return { maxDriftMs: maxDrift, readAheadBytes: Math.ceil(readAheadMb * 1_024 * 1_024) }
}

function invalid(message: string): StreamError {
  return new StreamError('OPTION_INVALID', message, {
    hint: "Give { maxDrift: minutes(1), readAheadMb: 16 }, with a drift of 0 or more whole milliseconds and more than 0 MiB; or 'off'.",
  })
}
