import type { Doors } from '../base/doors.ts'
import type { ErrorData } from '../base/errors.ts'
import type { Files } from '../base/files.ts'
import type { FaultSchedule } from '../faults/schedule.ts'
import type { TraceEvent } from '../faults/trace.ts'
import type { JobPlan } from '../job/job-plan.ts'
import type { RunSummary } from '../job/protocol.ts'
import type { MemoryDisk } from '../simulation/memory-files.ts'
import type { SimulatedJob } from '../simulation/simulated-life.ts'
import type { SimulatedProcesses } from '../simulation/simulated-processes.ts'
import type { DiskHistory } from './disk-history.ts'
import type { TimerHistory } from './timer-history.ts'

export interface SimulateOptions extends SimulatedJob {
  readonly schedule: FaultSchedule
  /** Fills the disk before the first life: input files. */
  readonly prepare?: (files: Files) => Promise<void>
  /** A life that takes more steps than that stands still. */
  readonly stepsMax?: number
  /** Called when a life has ended, before the next begins; what it looks at is not told. */
  readonly onLifeEnd?: (disk: MemoryDisk, life: LifeRecord) => Promise<void>
  /** The disk to begin with, which is left as it is; a new one if there is none. */
  readonly disk?: MemoryDisk
  /** Of the first life. */
  readonly workDir?: string
  /** Of the changes of the disk that matter to a restore, one in so many is audited; 0: none. */
  readonly auditEvery?: number
  /** The doors of each process, made worse. For tests of the invariants. */
  readonly doors?: (doors: Doors) => Doors
  readonly processes?: SimulatedProcesses
}

/** One life of a run, and how it ended. */
export interface LifeRecord {
  /** Counted from 1. */
  readonly life: number
  readonly parallelism: number
  readonly workDir: string
  readonly ended:
    | { readonly type: 'crash' | 'power-loss' | 'torn' | 'rescale' | 'taken-over' }
    | { readonly type: 'failed'; readonly error: ErrorData }
    | { readonly type: 'finished' | 'stopped'; readonly summary: RunSummary }
    /** It neither ended nor did anything more, or did not come to an end. */
    | { readonly type: 'stuck' }
  readonly fromMs: number
  readonly toMs: number
  readonly steps: number
  /** The one that lived last: a twin has a higher number than the one it was started beside. */
  readonly process: number
}

/** One process: a life has one, and a second when a twin was started beside it. */
export interface ProcessRecord {
  /** In the order of their starts. */
  readonly process: number
  readonly life: number
  /** Steps of it that were made to fail. */
  readonly struck: readonly TraceEvent[]
  readonly ended: ProcessEnd
}

export type ProcessEnd =
  /** By a crash, a loss of power, a kill; or it stands still. */
  | { readonly type: 'from-outside' }
  | { readonly type: 'failed'; readonly error: ErrorData }
  | { readonly type: 'done' }

export interface LogLine {
  /** As in the trace. */
  readonly step: number
  readonly life: number
  readonly process: number
  readonly level: 'error' | 'warn' | 'info' | 'debug'
  readonly fields: Readonly<Record<string, unknown>>
  readonly message: string
}

/** All that a schedule did to a job, for those who judge it. */
export interface ScheduleRun {
  readonly schedule: FaultSchedule
  readonly disk: MemoryDisk
  /** Of the last life. */
  readonly plan: JobPlan
  readonly lives: readonly LifeRecord[]
  readonly trace: readonly TraceEvent[]
  /** Of the trace; made when it is asked for, which costs. */
  readonly hash: string
  /** Indexes of the schedule's faults that struck. */
  readonly fired: readonly number[]
  readonly logs: readonly LogLine[]
  /** Of twins that were started beside a life and refused: the code of each refusal. */
  readonly refusals: readonly string[]
  readonly processes: readonly ProcessRecord[]
  /** What happened to the names on the disk. */
  readonly history: DiskHistory
  readonly timers: TimerHistory
  /** What is still held when all is over: kernel locks. */
  readonly locks: readonly string[]
}
