import type { Duration } from '../engine/time/duration.ts'
import { StreamError } from '../engine/base/errors.ts'

export type { Duration }

export function millis(count: number): Duration {
  return durationOf('millis', count, 1)
}

export function seconds(count: number): Duration {
  return durationOf('seconds', count, 1_000)
}

export function minutes(count: number): Duration {
  return durationOf('minutes', count, 60_000)
}

export function hours(count: number): Duration {
  return durationOf('hours', count, 3_600_000)
}

/** Days of 24 hours. */
export function days(count: number): Duration {
  return durationOf('days', count, 86_400_000)
}

function durationOf(unit: string, count: number, unitMs: number): Duration {
  const ms = count * unitMs
  if (!Number.isFinite(ms)) {
    throw new StreamError('OPTION_INVALID', `${unit}(${String(count)}) is no duration`, {
      hint: 'Give a finite number.',
    })
  }
  return Math.round(ms) as Duration
}
