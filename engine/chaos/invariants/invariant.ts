import type { MemoryDisk } from '../../simulation/memory-files.ts'
import type { LifeRecord, ScheduleRun } from '../schedule-run.ts'
import type { Golden, Published, Subject } from '../subject.ts'
import type { Violation } from '../violation.ts'

/** All that is known of a run when it is judged. */
export interface RunFacts {
  readonly subject: Subject
  readonly golden: Golden
  readonly run: ScheduleRun
  readonly published: Published
  /** What costs more than one run is known only of those looked at closely. */
  readonly close?: CloseFacts
}

/** Of a run that was looked at closely. */
export interface CloseFacts {
  /** The same schedule, run once more. */
  readonly again: ScheduleRun
  /** A clone of the disk at the end of each life. */
  readonly ends: readonly LifeEnd[]
}

export interface LifeEnd {
  readonly life: LifeRecord
  readonly disk: MemoryDisk
}

/** One check; it finds nothing in a run that holds. */
export type Invariant = (facts: RunFacts) => readonly Violation[] | Promise<readonly Violation[]>
