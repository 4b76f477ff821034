import type { ErrorData } from '../../base/errors.ts'
import type { TraceEvent } from '../../faults/trace.ts'
import type { ProcessRecord, ScheduleRun } from '../schedule-run.ts'
import type { Invariant } from './invariant.ts'

/**
 * I12: every failure that was injected is told, by its own name, by the process that it struck:
 *
 * - the error that the process ended with has it, itself or as a cause;
 * - or a line of its log, a warning or an error, has it.
 *
 * Exempt is a process that was ended from outside, by a crash, a loss of power or a kill: what it
 * was about to tell is gone with it. One that fails of another failure tells of that: what struck
 * just before may still have been on its way. One that was refused, or outlived, is not exempt.
 */
export const everythingTold: Invariant = ({ run }) =>
  run.processes.flatMap((process) =>
    process.struck
      .filter((event) => !isTold(run, process, event))
      .map(({ point, life, step, fault }) => {
        const failure = fault?.type === 'errno' ? fault.errno : 'a failure'
        const what = `${failure} at ${point}, in life ${life}, was never told`
        return { invariant: 'I12', what, step }
      }),
  )

function isTold(
  run: ScheduleRun,
  { process, life, ended }: ProcessRecord,
  event: TraceEvent,
): boolean {
  if (ended.type === 'from-outside') return true
  const sign = signOf(event)
  if (ended.type === 'failed') {
    if (holds(ended.error, sign)) return true
    if (isInjected(ended.error) && wasOnItsWay(run, life, event)) return true
  }
  return run.logs.some(
    (line) =>
      line.process === process &&
      line.step >= event.step &&
      (line.level === 'warn' || line.level === 'error') &&
      JSON.stringify(line.fields).includes(sign),
  )
}

/** What it takes to clean up behind a failed call of the disk: two calls, both slow. */
const ON_ITS_WAY_MS = 120

/** Of a process beside another it is not known when it ended. */
function wasOnItsWay(
  { lives, processes }: ScheduleRun,
  inLife: number,
  event: TraceEvent,
): boolean {
  if (processes.filter(({ life }) => life === inLife).length > 1) return true
  const { toMs } = lives.find(({ life }) => life === inLife)!
  return toMs - event.atMs < ON_ITS_WAY_MS
}

function isInjected(error: ErrorData): boolean {
  return holds(error, 'injected at') || holds(error, 'was made to fail')
}

/** By which a failure is known, wherever it is told. */
export function signOf({ point, fault }: TraceEvent): string {
  return fault?.type === 'errno'
    ? `${fault.errno}: injected at ${point}`
    : `${point} was made to fail`
}

function holds(error: ErrorData | NonNullable<ErrorData['cause']>, sign: string): boolean {
  if (error.message.includes(sign)) return true
  const cause = 'cause' in error ? error.cause : undefined
  return cause !== undefined && holds(cause, sign)
}
