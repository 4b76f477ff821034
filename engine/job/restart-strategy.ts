import type { ErrorData, ErrorPlace } from '../base/errors.ts'
import type { RestartSettings } from '../graph/stream-graph.ts'
import { ERRORS } from '../base/errors.ts'

/**
 * Decides what follows when the engine process has failed. Pure: all it knows is handed in.
 *
 * R1. An error that is not restartable ends the job at once.
 * R2. A record that has failed POISON_FAILURES_MAX times ends the job, whatever the strategy says.
 * R3. Failures are counted in a series; with 'exponential' one begins anew after `resetAfterMs`
 *     without a failure, with 'fixed-delay' never.
 */
export type RestartDecision =
  | { readonly type: 'restart'; readonly afterMs: number; readonly attempt: number }
  | { readonly type: 'give-up'; readonly reason: 'not-restartable' | 'no-strategy' | 'attempts' }
  | { readonly type: 'poison'; readonly place: ErrorPlace; readonly failures: number }

export interface Failure {
  /** On a clock that never goes back. */
  readonly atMs: number
  /** Undefined: the process died without a word. */
  readonly error: ErrorData | undefined
  readonly restartable: boolean
}

/** The same record may fail this often; its data will not get better. */
export const POISON_FAILURES_MAX = 3

/** `failures` holds all so far in order, the newest last. */
export function decideRestart(
  settings: RestartSettings,
  failures: readonly Failure[],
): RestartDecision {
  const last = failures.at(-1)
  if (last === undefined || !last.restartable) return { type: 'give-up', reason: 'not-restartable' }

  const poison = poisonOf(failures, last)
  if (poison !== undefined) return poison

  switch (settings.strategy) {
    case 'none':
      return { type: 'give-up', reason: 'no-strategy' }
    case 'fixed-delay':
      if (failures.length > settings.attempts) return { type: 'give-up', reason: 'attempts' }
      return { type: 'restart', afterMs: settings.delayMs, attempt: failures.length }
    case 'exponential': {
      const attempt = seriesLength(failures, settings.resetAfterMs)
      if (attempt > settings.attempts) return { type: 'give-up', reason: 'attempts' }
      const grown = settings.initialMs * settings.factor ** (attempt - 1)
      return { type: 'restart', afterMs: Math.min(settings.maxMs, grown), attempt }
    }
    default:
      return settings satisfies never
  }
}

/** How many failures the newest series holds (R3). */
function seriesLength(failures: readonly Failure[], resetAfterMs: number): number {
  let length = 1
  for (let index = failures.length - 1; index > 0; index -= 1) {
    if (failures[index]!.atMs - failures[index - 1]!.atMs >= resetAfterMs) break
    length += 1
  }
  return length
}

function poisonOf(failures: readonly Failure[], last: Failure): RestartDecision | undefined {
  const record = recordOf(last.error)
  if (record === undefined) return undefined
  const count = failures.filter((failure) => recordOf(failure.error) === record).length
  if (count < POISON_FAILURES_MAX) return undefined
  return { type: 'poison', place: last.error!.place!, failures: count }
}

/** Names the record an error blames; undefined when it blames none, or none that can be named. */
function recordOf(error: ErrorData | undefined): string | undefined {
  if (error === undefined || ERRORS[error.code].domain !== 'user') return undefined
  const place = error.place
  if (place?.split === undefined || place.offset === undefined) return undefined
  return JSON.stringify([place.operator ?? '', place.split, place.offset])
}
