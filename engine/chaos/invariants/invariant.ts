import type { ScheduleRun } from '../schedule-run.ts'
import type { Golden, Published, Subject } from '../subject.ts'
import type { Violation } from '../violation.ts'

/** All that is known of a run when it is judged. */
export interface RunFacts {
  readonly subject: Subject
  readonly golden: Golden
  readonly run: ScheduleRun
  readonly published: Published
}

/** One check; it finds nothing in a run that holds. */
export type Invariant = (facts: RunFacts) => readonly Violation[] | Promise<readonly Violation[]>
