import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Doors } from '../base/doors.ts'
import type { Logger } from '../base/logger.ts'
import type { CheckpointSettings, RestartSettings } from '../graph/stream-graph.ts'
import type { RunSummary } from './protocol.ts'
import type { Failure } from './restart-strategy.ts'
import { systemDoors } from '../base/doors.ts'
import { asStreamError, StreamError } from '../base/errors.ts'
import { silentLogger } from '../base/logger.ts'
import { brokenLifeIfSet } from '../worker/faults-if-set.ts'
import { spawnThreads } from '../worker/worker-threads.ts'
import { bundleJob } from './bundle.ts'
import { makeBundleFolder, removeBundleFolder } from './bundle-folder.ts'
import { beginLife, type JobLife } from './job-life.ts'
import { planBundle } from './job-plan.ts'
import { decideRestart } from './restart-strategy.ts'

export interface RunJobOptions {
  /** Parameters of the job as texts, as `--set NAME=VALUE` takes them. */
  readonly set?: Readonly<Record<string, string>>
  /** Default: the machine's cores. */
  readonly parallelism?: number
  /** Default: `.millrace/<job>` below the current directory. */
  readonly workDir?: string
  /** A savepoint to start from. */
  readonly from?: string
  readonly fresh?: boolean
  readonly fork?: boolean
  readonly dropState?: readonly string[]
  readonly renameUid?: Readonly<Record<string, string>>
  readonly renameState?: Readonly<Record<string, string>>
  readonly keepState?: readonly string[]
  /** The job's name before, when it has been renamed. */
  readonly jobWas?: string
  readonly checkpointing?: Partial<CheckpointSettings>
  /** Heap for keyed state, MiB, all operators and subtasks together; the rest lies on disk. */
  readonly stateCacheMb?: number
  readonly restart?: RestartSettings
  /** Told, as warnings, why a checkpoint was given up and why the job starts again. */
  readonly logger?: Logger
  /** Called in every life, when records flow: to stop it, or to take a savepoint. */
  readonly onStarted?: (job: RunningJob) => void
}

/** A job that runs in this process. */
export interface RunningJob {
  /** Stops after a last checkpoint, with a savepoint if asked; resolves to its folder. */
  requestStop(how: {
    readonly drain: boolean
    readonly savepoint: boolean
    readonly target: string | undefined
  }): Promise<string | undefined>
}

/**
 * Runs a job inside this process, to its end: the same engine as `millrace run`, with its worker
 * threads, work folder and restart strategy, but without a parent process. A crash of this process
 * is recovered from by calling it again. Throws the StreamError that ended the job.
 */
export async function runJob(
  job: string | URL,
  options: RunJobOptions = {},
): Promise<RunSummary & { readonly restarts: number }> {
  for (const name of ['workDir', 'from'] as const) refuseBlank(name, options[name])
  const doors = systemDoors(options.logger ?? silentLogger)
  const path = typeof job === 'string' ? resolve(job) : fileURLToPath(job)
  const workRoot = resolve('.millrace')
  const bundleDir = await makeBundleFolder(doors, workRoot)
  const failures: Failure[] = []
  try {
    const bundle = await bundleJob(path, bundleDir)
    for (;;) {
      const plan = await planBundle(bundle.path, { set: {}, ...options }, doors.files)
      try {
        const summary = await live(doors, options, workRoot, plan, failures.length === 0)
        return { ...summary, restarts: failures.length }
      } catch (thrown) {
        const error = asStreamError(thrown)
        const restartable = error.consequence.then !== 'fail'
        failures.push({ atMs: doors.clock.monotonicMs(), error: error.toData(), restartable })
        const decision = decideRestart(plan.settings.restart, failures)
        if (decision.type !== 'restart') throw error
        const { attempt, afterMs } = decision
        const told = { code: error.code, reason: reasonOf(error), attempt, afterMs }
        doors.logger.warn(told, 'the job failed, and starts again')
        await doors.clock.sleep(decision.afterMs)
      }
    }
  } finally {
    await removeBundleFolder(doors.files, bundleDir)
  }
}

function refuseBlank(name: string, path: string | undefined): void {
  if (path === undefined || path.trim() !== '') return
  throw new StreamError('OPTION_INVALID', `"${name}" of runJob is empty`, {
    hint: 'Name a folder, or leave it out.',
  })
}

/** With what lies below it: an error of ours names the step, its cause what happened there. */
function reasonOf(error: StreamError): string {
  const { message, cause } = error.toData()
  return cause === undefined ? message : `${message}: ${cause.message}`
}

async function live(
  doors: Doors,
  options: RunJobOptions,
  workRoot: string,
  plan: Awaited<ReturnType<typeof planBundle>>,
  isFirst: boolean,
): Promise<RunSummary> {
  const broken = await brokenLifeIfSet(doors)
  const begun = await beginLife({
    doors: broken?.doors ?? doors,
    plan,
    spawn: spawnThreads,
    hasSupervisor: false,
    options: {
      workRoot,
      fresh: isFirst && (options.fresh ?? false),
      takeOver: false,
      fork: options.fork ?? false,
      dropState: options.dropState ?? [],
      renameUid: options.renameUid ?? {},
      renameState: options.renameState ?? {},
      keepState: options.keepState ?? [],
      ...(options.jobWas === undefined ? {} : { jobWas: options.jobWas }),
      ...(options.workDir === undefined ? {} : { workDir: resolve(options.workDir) }),
      ...(options.stateCacheMb === undefined ? {} : { stateCacheMb: options.stateCacheMb }),
      ...(options.from === undefined ? {} : { from: resolve(options.from) }),
    },
  })
  if (begun.type === 'already-finished') return begun.summary
  const life: JobLife = begun.life
  const forget = broken?.onCrash((error) => {
    life.cancel(error)
  })
  try {
    await life.start()
    try {
      options.onStarted?.(life)
    } catch (error) {
      life.cancel(error)
    }
    return await life.finished()
  } finally {
    forget?.()
  }
}
