import type { LifeRecord } from '../chaos/schedule-run.ts'
import type { Published, RecordedInputs, RowOrder, Subject } from '../chaos/subject.ts'
import type { Violation } from '../chaos/violation.ts'
import type { Fault, FaultSchedule, RecordFlow } from '../faults/schedule.ts'
import type { TraceEvent } from '../faults/trace.ts'
import type { ParameterValue } from '../graph/parameters.ts'
import type { CheckpointSettings } from '../graph/stream-graph.ts'

export interface ChaosOptions extends Partial<Paces> {
  /** Values of the job's parameters; a secret is given as its text. */
  readonly parameters?: Readonly<Record<string, ParameterValue>>
  /** Of the first life; 2 when left out. */
  readonly parallelism?: number
  /**
   * Decides the order of events; 0, when left out, is first come, first served. Try several: the
   * same seed gives the same run.
   */
  readonly seed?: number
  /** How records flow: the size of batches, the pace of sources, whether inputs are uneven. */
  readonly flow?: RecordFlow
  /** What is done to it, besides what its test sources ask for. */
  readonly faults?: readonly Fault[]
  /** In place of what the job asks for; checkpoints come every 20 ms when left out. */
  readonly checkpointing?: Partial<CheckpointSettings>
  /** Input files by path. The disk is in memory, and empty but for these. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>
  /** By sink: rows, JSON objects, of one `key` come in the order of the field `by`. */
  readonly orders?: Readonly<Record<string, RowOrder>>
  /** Every split of every source ends after so many records. */
  readonly recordsMax?: number
  /**
   * What sources on other machines hold, by their uid: the `input.json` of a bundle. For a Kafka
   * source that is left out its brokers are read once, to what is there now, 5,000 records at most.
   */
  readonly recorded?: RecordedInputs
}

/** What a run with faults did. */
export interface ChaosResult {
  readonly job: string
  readonly schedule: FaultSchedule
  /** As they were given. */
  readonly options: ChaosOptions
  /** What it broke, the worst first; none: all holds. */
  readonly violations: readonly Violation[]
  /** By sink: every row that a reader sees at the end, as its text. */
  readonly published: Published
  /** The same of the run without a fault. */
  readonly expected: Published
  readonly lives: readonly LifeRecord[]
  readonly trace: readonly TraceEvent[]
  /** Of the trace: two runs with one hash took the same steps. */
  readonly hash: string
  /** Faults of the schedule that struck, and those that found no moment to. */
  readonly fired: readonly Fault[]
  readonly missed: readonly Fault[]
}

/** What makes a small input take its time, and one thread do the work of several. */
type Paces = Pick<Subject, 'workers' | 'stateCacheMb' | 'pollMs' | 'batchRecords'>
