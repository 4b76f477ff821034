import type { ErrorData } from '../../base/errors.ts'
import type { TraceEvent } from '../../faults/trace.ts'
import type { LifeRecord, ScheduleRun } from '../schedule-run.ts'
import type { Invariant } from './invariant.ts'

/**
 * I12: every failure that was injected is told. What counts as told, in the life that it struck:
 *
 * - the error that ended the life has it, itself or as a cause;
 * - a line of the log, a warning or an error, has it;
 * - a checkpoint was aborted after it for another reason than its time: what a subtask declines,
 *   or a manifest that cannot be written, costs its checkpoint and nothing else;
 * - in a life in which a second process was started, and refused: what struck that one is told to
 *   whoever started it.
 *
 * A life that is ended from outside (crash, power loss, another process) has no time to tell. One
 * that fails tells of what it fails of: what struck just before may still have been on its way.
 */
export const everythingTold: Invariant = ({ run }) => {
  const failures = run.trace.filter(isFailure)
  return failures
    .filter((event) => !isTold(run, event))
    .map(({ point, life, step, fault }) => {
      const what = `${fault?.type === 'errno' ? fault.errno : 'a failure'} at ${point}, in life ${life}, was never told`
      return { invariant: 'I12', what, step }
    })
}

function isFailure({ fault }: TraceEvent): boolean {
  return fault?.type === 'errno' || fault?.type === 'throw'
}

function isTold(run: ScheduleRun, event: TraceEvent): boolean {
  const record = run.lives.find(({ life }) => life === event.life)
  if (record === undefined || hasNoTime(record) || isTakenOver(run, event.life)) return true
  const sign = signOf(event)
  if (record.ended.type === 'failed') {
    if (holds(record.ended.error, sign)) return true
    if (isInjected(record.ended.error) && record.toMs - event.atMs < ON_ITS_WAY_MS) return true
  }
  if (run.refusals.length > 0 && hadTwin(run, event.life)) return true
  const isLater = ({ life, step }: { readonly life: number; readonly step: number }): boolean =>
    life === event.life && step >= event.step
  const isLogged = run.logs.some(
    (line) =>
      isLater(line) &&
      (line.level === 'warn' || line.level === 'error') &&
      JSON.stringify(line.fields).includes(sign),
  )
  if (isLogged) return true
  return run.trace.some(
    (later) =>
      isLater(later) &&
      later.point === 'coordinator.abort' &&
      later.place.what !== 'CHECKPOINT_EXPIRED',
  )
}

/** What it takes to clean up behind a failed call of the disk: two calls, both slow. */
const ON_ITS_WAY_MS = 120

function isInjected(error: ErrorData): boolean {
  return holds(error, 'injected at') || holds(error, 'this step was made to fail')
}

function hadTwin({ trace }: ScheduleRun, inLife: number): boolean {
  return trace.some(({ life, fault }) => life === inLife && fault?.type === 'fence')
}

function hasNoTime({ ended }: LifeRecord): boolean {
  return ended.type !== 'failed' && ended.type !== 'finished' && ended.type !== 'stopped'
}

/** The process that failed was killed, and the record is of the one that took over. */
function isTakenOver({ trace }: ScheduleRun, inLife: number): boolean {
  return trace.some(
    ({ life, fault }) => life === inLife && fault?.type === 'fence' && fault.takeOver,
  )
}

/** By which a failure is known, wherever it is told. */
export function signOf({ point, fault }: TraceEvent): string {
  if (fault?.type !== 'errno') return 'this step was made to fail'
  return point.startsWith('disk.') ? `injected at ${point}` : `${fault.errno}: injected`
}

function holds(error: ErrorData | NonNullable<ErrorData['cause']>, sign: string): boolean {
  if (error.message.includes(sign)) return true
  const cause = 'cause' in error ? error.cause : undefined
  return cause !== undefined && holds(cause, sign)
}
