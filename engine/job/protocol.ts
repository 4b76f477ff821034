import type { ErrorData } from '../base/errors.ts'
import type { LogLevel } from '../base/logger.ts'
import type { CheckpointSettings, RestartSettings } from '../graph/stream-graph.ts'

/**
 * What the small parent process and the engine process say to each other over node's IPC channel.
 *
 * L1. The parent's first message is 'options', sent once; the engine does nothing before it.
 * L2. The engine's last message is 'finished' or 'failed', and then it exits by itself. A process
 *     that ends with neither has crashed.
 * L3. The engine exits at once when the channel disconnects: it never outlives its parent.
 * L4. The engine ignores SIGINT and SIGTERM; the parent has them (a terminal and a service manager
 *     send them to both) and says 'signal'.
 * L5. Everything is plain JSON.
 */
export type ToEngine =
  | { readonly type: 'options'; readonly options: RunOptions }
  /**
   * Stop cleanly after a last checkpoint and its commits. `savepoint` writes one too, to `target`
   * or a place of the engine's choice. `drain`: the sources end, so that every window fires.
   */
  | {
      readonly type: 'stop'
      readonly mode: 'stop' | 'savepoint'
      readonly drain?: boolean
      readonly target?: string
    }
  /** SIGTERM or SIGINT came: as 'stop', mode 'stop', not drained. Windows stay open in state. */
  | { readonly type: 'signal'; readonly signal: 'SIGTERM' | 'SIGINT' }

export type FromEngine =
  /** The script is bundled; sent once, so that a restart runs the same code (`RunOptions.bundle`). */
  | { readonly type: 'bundled'; readonly bundle: BundleReference }
  /** The job is planned: its restart strategy counts from now on, before records flow too. */
  | {
      readonly type: 'planned'
      readonly job: string
      readonly settings: { readonly restart: RestartSettings }
    }
  /** The folder is ours; records flow from now on. */
  | {
      readonly type: 'started'
      readonly job: string
      readonly workDir: string
      readonly parallelism: number
      /** Name of the checkpoint, as `1.4`. */
      readonly restoredFrom?: string
    }
  | {
      readonly type: 'progress'
      readonly steps: readonly StepProgress[]
      readonly lastCheckpoint?: CheckpointProgress
    }
  /** `restartable`: the error's consequence is 'restart' (or 'retry'), and state allows it. */
  | { readonly type: 'failed'; readonly error: ErrorData; readonly restartable: boolean }
  | { readonly type: 'finished'; readonly summary: RunSummary }
  | {
      readonly type: 'log'
      readonly level: LogLevel
      readonly fields: Readonly<Record<string, unknown>>
      readonly message: string
    }

export interface BundleReference {
  /** Absolute path of the one ESM file that the main thread and every worker import. */
  readonly path: string
  readonly hash: string
  /** The user's own files in it, absolute: what `millrace dev` watches. */
  readonly inputs: readonly string[]
}

/** How a job is to be run, after flags, MILLRACE_* and --config are merged; all paths are absolute. */
export interface RunOptions {
  readonly jobPath: string
  /** Where the bundle is written; removed by the parent in the end. */
  readonly bundleDir: string
  /** Given at a restart: no new bundling. */
  readonly bundle?: BundleReference
  /** Raw values of the job's parameters, by name; parsed once, by the engine. */
  readonly set: Readonly<Record<string, string>>
  /** Undefined: the job's, else the machine's cores. */
  readonly parallelism?: number
  /** Undefined: `<workRoot>/<job name>`. */
  readonly workDir?: string
  /** `.millrace` under the current directory. */
  readonly workRoot: string
  /** Folder of a savepoint; counts only while the work folder has no later checkpoint of its own. */
  readonly from?: string
  /** Set the work folder aside first. Never repeated at a restart. */
  readonly fresh: boolean
  /** Kill the process that holds the folder first. Never repeated at a restart. */
  readonly takeOver: boolean
  readonly fork: boolean
  /** `UID` or `UID:STATE`. */
  readonly dropState: readonly string[]
  /** Old uid → new uid. */
  readonly renameUid: Readonly<Record<string, string>>
  /** `UID:OLD` → the new name of a state. */
  readonly renameState?: Readonly<Record<string, string>>
  /** The job's name before, when it has been renamed. */
  readonly jobWas?: string
  /** Uids whose state goes on though the step is declared in another way. */
  readonly keepState?: readonly string[]
  readonly graceMs: number
  /** Heap for keyed state, MiB, all operators and subtasks together. Undefined: the default. */
  readonly stateCacheMb?: number
  /** What stands above the job's own `env.checkpointing` and `env.restart`. */
  readonly checkpointing?: Partial<CheckpointSettings>
  readonly restart?: RestartSettings
  /** 0 for the first life, then the number of the restart. */
  readonly attempt: number
  /** `millrace dev`: every sink prints instead. */
  readonly dev: boolean
  /** 'parent': logs go as messages to the parent. 'json': as lines of JSON to standard error. */
  readonly logs: 'parent' | 'json'
  readonly logLevel: LogLevel
  /** How often 'progress' is sent; 0: never. */
  readonly progressMs: number
}

/** Counters are totals since this life of the engine began; the parent makes rates of them. */
export interface StepProgress {
  readonly name: string
  readonly type: 'source' | 'operator' | 'sink'
  /** It shares the thread of the step before it; `busy` and `backPressured` are of both. */
  readonly chained: boolean
  readonly parallelism: number
  readonly recordsIn: number
  readonly recordsOut: number
  /** Of a source: records that it could not decode and passed over. */
  readonly malformed?: number
  /** Records that came behind the watermark and that nobody reads. */
  readonly late?: number
  /** Shares of the last interval, 0 to 1, spent working and waiting for credit: one subtask's, the
   * one with the least left of its time, so that both are together at most 1. */
  readonly busy: number
  readonly backPressured: number
  /** Of a source: its subtasks that are, or just were, paused because they are far ahead. */
  readonly paused?: readonly PausedSubtask[]
  /** Of the subtask furthest behind, epoch ms. Undefined: the job has no event time. */
  readonly watermark?: number | 'none' | 'end'
}

/** A subtask of a source, or splits of it, and whom they wait for. */
export type PausedSubtask = {
  readonly subtask: number
  readonly waitsFor: { readonly source: string; readonly subtask: number }
}

/** The same for other programs: the watermark as a time, in UTC. */
export interface StepReport extends Omit<StepProgress, 'watermark'> {
  readonly watermark?: string
  /** Behind the clock, where the input is live. */
  readonly lagMs?: number
}

export interface CheckpointProgress {
  /** As `1.4`: the fourth checkpoint of the folder's first start. */
  readonly name: string
  readonly completedAtMs: number
  readonly durationMs: number
  readonly bytes: number
  /** How many are complete since the start. */
  readonly count: number
}

/** What a life of the engine did; the parent adds restarts and the whole duration. */
export interface RunSummary {
  /** 'already-finished': the folder holds a final checkpoint, nothing was run. */
  readonly status: 'finished' | 'stopped' | 'already-finished'
  readonly job: string
  readonly workDir: string
  /** Since the job's first start, as its checkpoints know it. */
  readonly recordsIn: number
  readonly recordsOut: number
  /** Records that sources could not decode and passed over. */
  readonly malformed: number
  /** Records that came behind the watermark and that nobody read. */
  readonly late?: number
  /** Complete in this life, and the last one's name. */
  readonly checkpoints: number
  readonly lastCheckpoint?: string
  /** Folder of the savepoint that a stop wrote. */
  readonly savepoint?: string
  readonly durationMs: number
}
