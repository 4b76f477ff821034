import type { ErrorData } from '../../base/errors.ts'
import type { FaultSchedule } from '../../faults/schedule.ts'
import type { TraceEvent } from '../../faults/trace.ts'
import type { RunSummary } from '../../job/protocol.ts'
import type { LifeRecord } from '../schedule-run.ts'
import type { Lane, Mark } from './marks.ts'

/** What a run leaves of which a picture is made. Simulated or real: the trace has one shape. */
export interface TimelineInput {
  readonly job: string
  readonly schedule: FaultSchedule
  readonly trace: readonly TraceEvent[]
  readonly lives: readonly TimelineLife[]
  /** Indexes of the faults that struck; undefined: not known. */
  readonly fired?: readonly number[] | undefined
  /** What did not hold; undefined: nobody has judged the run. */
  readonly violations?: readonly TimelineViolation[] | undefined
  /** Of the run that was found, where this one is shrunk from it. */
  readonly found?: FoundRun | undefined
}

export interface FoundRun extends Pick<FaultSchedule, 'seed' | 'parallelism'> {
  readonly violations?: readonly TimelineViolation[]
}

export interface TimelineLife extends Pick<LifeRecord, 'life' | 'parallelism' | 'fromMs' | 'toMs'> {
  readonly ended: TimelineEnd
}

/** A real life says no more than its journal holds: its error and its summary may be unknown. */
type TimelineEnd =
  | { readonly type: 'crash' | 'power-loss' | 'torn' | 'rescale' | 'taken-over' | 'stuck' }
  | { readonly type: 'failed'; readonly error?: Pick<ErrorData, 'code' | 'message'> }
  | { readonly type: 'finished' | 'stopped'; readonly summary?: RunSummary }

export interface TimelineViolation {
  readonly invariant: string
  readonly what: string
  readonly step?: number
}

/**
 * A run as people look at it: time goes down, a lane for whoever takes steps. What leads up to a
 * fault, what follows and how each life ends are drawn; stretches in which nothing went wrong are
 * folded into one row.
 *
 * L1. Each fault that struck and each end of a life has its row; of very many faults, the first and
 *     the last.
 * L2. Rows are in the order of the trace, and of two steps of one lane the first stands above.
 * L3. What is not drawn is counted in the fold in its place.
 */
export interface Timeline {
  readonly title: string
  /** Each fault of the schedule, in words. */
  readonly faults: readonly string[]
  readonly verdict: 'unknown' | 'holds' | 'broken'
  readonly violations: readonly string[]
  /** What may be concluded of them. */
  readonly diagnosis?: string
  readonly lanes: readonly Lane[]
  readonly rows: readonly Row[]
}

export type Row =
  | { readonly type: 'life'; readonly words: string }
  | { readonly type: 'end'; readonly words: string; readonly how: LifeEnd }
  | { readonly type: 'fold'; readonly words: string }
  | { readonly type: 'violation'; readonly words: string }
  | StepRow

/** Steps that may be seen as one moment: at most one cell a lane. */
export interface StepRow {
  readonly type: 'step'
  readonly step: number
  readonly atMs: number
  /** By the id of the lane. */
  readonly cells: ReadonlyMap<string, readonly Mark[]>
  readonly notes: readonly Note[]
}

export type LifeEnd = 'killed' | 'failed' | 'ended'

/** What a row means, in words. */
export interface Note {
  readonly tone: 'fault' | 'bad' | 'good' | 'plain'
  readonly words: string
}
