import { join } from 'node:path'
import type { Doors } from '../base/doors.ts'
import type { Json } from '../base/json.ts'
import type { CheckpointManifest } from '../checkpoint/manifest.ts'
import type { OwnFolder } from '../operator/source.ts'
import type { WorkFolder, WorkFolderParts } from '../checkpoint/work-folder.ts'
import type { SpawnWorkers } from '../worker/worker-handle.ts'
import type { ControlHandlers, ControlRequest } from './control-server.ts'
import type { JobPlan } from './job-plan.ts'
import type { MasterResult } from './master-parts.ts'
import type { CheckpointProgress, RunOptions, RunSummary, StepProgress } from './protocol.ts'
import { SPLITS_PER_SOURCE_MAX, STATE_CACHE_MB } from '../base/limits.ts'
import { formatCheckpointId, workFolderOf } from '../checkpoint/layout.ts'
import { jobFolders } from '../checkpoint/own-input.ts'
import { openWorkFolder } from '../checkpoint/work-folder.ts'
import { storableParameters } from '../graph/parameters.ts'
import { SharedParking } from '../worker/worker-loop.ts'
import { stepReport } from './watermark-lag.ts'
import { JobMaster } from './job-master.ts'
import { countsOf } from './progress.ts'
import { SourceCoordinator } from './source-coordinator.ts'

export type LifeOptions = Pick<
  RunOptions,
  | 'workDir'
  | 'workRoot'
  | 'from'
  | 'fresh'
  | 'takeOver'
  | 'fork'
  | 'dropState'
  | 'renameUid'
  | 'renameState'
  | 'jobWas'
  | 'keepState'
  | 'stateCacheMb'
>

export interface LifeParts {
  readonly doors: Doors
  readonly plan: JobPlan
  readonly options: LifeOptions
  readonly spawn: SpawnWorkers
  /** Whether a parent process starts the engine again. */
  readonly hasSupervisor: boolean
  /** For simulations: who else there is, and the lock of the folder. */
  readonly ownership?: Pick<WorkFolderParts, 'processes' | 'takeLock'>
}

export type Begun =
  | { readonly type: 'running'; readonly life: JobLife }
  | { readonly type: 'already-finished'; readonly summary: RunSummary }

/**
 * One life of a job on its work folder, from taking the folder to giving it back.
 *
 * Before it returns, everything that the restored checkpoint has pending is committed.
 */
export async function beginLife(parts: LifeParts): Promise<Begun> {
  const { doors, plan, options, hasSupervisor } = parts
  const startedMs = doors.clock.monotonicMs()
  const workDir = workFolderOf(options, plan.job)
  const opened = await openWorkFolder({
    root: workDir,
    job: plan.job,
    doors,
    graph: plan.graph,
    planHash: plan.planHash,
    parameters: storableParameters(plan.parameters),
    options: { ...options, ...renamedFrom(options), hasSupervisor },
    settings: plan.settings.checkpointing,
    ...parts.ownership,
  })
  if (opened.type === 'finished') {
    await opened.folder.release()
    return {
      type: 'already-finished',
      summary: finishedSummary(plan.job, workDir, opened.manifest),
    }
  }
  logChanges(parts, opened.folder.restored)
  try {
    const own = await jobFolders(doors.files, plan.graph, workDir)
    return { type: 'running', life: new JobLife(parts, opened.folder, own, startedMs) }
  } catch (error) {
    await opened.folder.release()
    throw error
  }
}

/** Where a job with another name had its folder, unless one was named. */
function renamedFrom({ workDir, workRoot, jobWas }: LifeOptions): { readonly rootWas?: string } {
  return workDir !== undefined || jobWas === undefined ? {} : { rootWas: join(workRoot, jobWas) }
}

/** A parameter may change between two lives; what it was is in the checkpoint. */
function logChanges({ doors, plan }: LifeParts, restored: CheckpointManifest | undefined): void {
  if (restored === undefined) return
  for (const [parameter, now] of Object.entries(storableParameters(plan.parameters))) {
    const before = restored.parameters[parameter]
    if (JSON.stringify(before) === JSON.stringify(now)) continue
    doors.logger.info({ parameter, now, before: before ?? null }, 'a parameter has changed')
  }
}

export class JobLife implements ControlHandlers {
  readonly workDir: string
  /** Name of a checkpoint. */
  readonly restoredFrom: string | undefined
  readonly #plan: JobPlan
  readonly #doors: Doors
  readonly #folder: WorkFolder
  readonly #master: JobMaster
  readonly #startedMs: number

  constructor(parts: LifeParts, folder: WorkFolder, own: readonly OwnFolder[], startedMs: number) {
    const { doors, plan, spawn } = parts
    const workDir = workFolderOf(parts.options, plan.job)
    this.workDir = workDir
    this.restoredFrom =
      folder.restored === undefined ? undefined : formatCheckpointId(folder.restored.checkpointId)
    this.#plan = plan
    this.#doors = doors
    this.#folder = folder
    this.#startedMs = startedMs
    const workers = plan.workers
    this.#master = new JobMaster({
      doors,
      plan,
      spawn,
      keeper: folder,
      sources: plan.graph.vertices
        .filter((vertex) => vertex.chain[0]!.runtime.type === 'source')
        .map((vertex, source) => new SourceCoordinator(vertex, doors, splitNumbers(source), own)),
      deployment: {
        workers,
        epoch: folder.epoch,
        workDir,
        stateCacheBytes: (parts.options.stateCacheMb ?? STATE_CACHE_MB) * 1_024 * 1_024,
        parking: plan.bundle === undefined ? undefined : SharedParking.create(workers),
        restored: folder.restored,
      },
    })
  }

  /** Records flow from now on. When that fails, everything is given back before it throws. */
  async start(): Promise<void> {
    try {
      await this.#master.start()
    } catch (error) {
      this.#master.cancel(error)
      await this.finished().catch(() => undefined)
      throw error
    }
  }

  /** Ends the life here and now, as a failure does. */
  cancel(error: unknown): void {
    this.#master.cancel(error)
  }

  /** Settles when all is over: workers gone, the folder given back. */
  async finished(): Promise<RunSummary> {
    let result: MasterResult
    try {
      result = await this.#master.finished()
    } finally {
      await this.#folder.release()
    }
    return {
      status: result.status,
      job: this.#plan.job,
      workDir: this.workDir,
      recordsIn: result.recordsIn,
      recordsOut: result.recordsOut,
      malformed: result.malformed,
      late: result.late,
      checkpoints: result.checkpoints,
      lastCheckpoint: formatCheckpointId(result.checkpointId),
      ...(result.savepoint === undefined ? {} : { savepoint: result.savepoint }),
      durationMs: Math.round(this.#doors.clock.monotonicMs() - this.#startedMs),
    }
  }

  /** Resolves when the job has stopped, to the savepoint's folder if one was asked for. */
  requestStop(how: {
    readonly drain: boolean
    readonly savepoint: boolean
    readonly target: string | undefined
  }): Promise<string | undefined> {
    return this.#master.stop(how)
  }

  steps(): readonly StepProgress[] {
    return this.#master.steps()
  }

  get lastCheckpoint(): CheckpointProgress | undefined {
    return this.#master.lastCheckpoint
  }

  status(): Promise<Json> {
    const { recordsIn, recordsOut, malformed, late } = this.#master.totals()
    const last = this.lastCheckpoint
    return Promise.resolve({
      job: this.#plan.job,
      parallelism: this.#plan.parallelism,
      restoredFrom: this.restoredFrom ?? null,
      recordsIn,
      recordsOut,
      malformed,
      late,
      steps: this.steps().map((step) => ({ ...stepReport(step, this.#doors.clock.nowMs()) })),
      lastCheckpoint: last === undefined ? null : { ...last },
    })
  }

  async savepoint(request: Extract<ControlRequest, { type: 'savepoint' }>): Promise<Json> {
    return { savepoint: await this.#master.takeSavepoint(request.target) }
  }

  async stop(request: Extract<ControlRequest, { type: 'stop' }>): Promise<Json> {
    const { drain, savepoint, target } = request
    const folder = await this.#master.stop({ drain, savepoint, target })
    return folder === undefined ? {} : { savepoint: folder }
  }
}

/**
 * Numbers for the splits of one source, which no other source of the job gives. A split that is
 * found again after a restart gets the number it had: steps in event-time order sort by it.
 */
function splitNumbers(source: number): () => number {
  let next = source * SPLITS_PER_SOURCE_MAX
  return () => {
    next += 1
    return next - 1
  }
}

function finishedSummary(job: string, workDir: string, manifest: CheckpointManifest): RunSummary {
  return {
    status: 'already-finished',
    job,
    workDir,
    ...countsOf(manifest.counters),
    checkpoints: 0,
    lastCheckpoint: formatCheckpointId(manifest.checkpointId),
    durationMs: 0,
  }
}
