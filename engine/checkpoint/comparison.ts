import type { ErrorCode } from '../base/errors.ts'
import type { StateChange } from '../state/state-changes.ts'
import type { StepOptions } from './fit-options.ts'
import type { OperatorFacts } from './job-facts.ts'
import type { OperatorState } from './snapshot.ts'

/** What becomes of one part of a checkpoint, or of the job. */
export interface Finding {
  /** As the job has it; the checkpoint's, for a step that the job does not have. */
  readonly uid: string
  /** `state "acc"`, `key`, `windows`, `positions`, …; empty: the step as a whole. */
  readonly part: string
  readonly verdict: 'kept' | 'added' | 'renamed' | 'dropped' | 'refused'
  readonly note: string
  readonly refusal?: Refusal
}

export interface Refusal {
  readonly code: ErrorCode
  readonly message: string
  readonly hint: string
}

/** How many values and timers a step really holds. A state that is not there holds none. */
export interface HeldState {
  readonly states: ReadonlyMap<string, number>
  readonly timers: number
}

export interface StepComparison {
  readonly was: OperatorState
  readonly now: OperatorFacts
  readonly uid: string
  readonly options: StepOptions
  /** Undefined: not counted yet; then all that is declared counts as held. */
  readonly held: HeldState | undefined
  /** For messages: `1.4`. */
  readonly checkpoint: string
}

export interface ComparedStep {
  readonly findings: readonly Finding[]
  /** For the files of the checkpoint. */
  readonly changes: readonly StateChange[]
}

/** Steps whose states are the user's own: one may become the other. */
export const PROCESS_KINDS: ReadonlySet<string> = new Set([
  'keyed-process',
  'co-process',
  'broadcast-process',
])

export function finding(
  { uid }: StepComparison,
  part: string,
  verdict: Exclude<Finding['verdict'], 'refused'>,
  note: string,
): Finding {
  return { uid, part, verdict, note }
}

export function refused(
  { uid }: StepComparison,
  part: string,
  note: string,
  refusal: Refusal,
): Finding {
  return { uid, part, verdict: 'refused', note, refusal }
}
