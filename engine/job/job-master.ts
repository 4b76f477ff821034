import type { Timer } from '../base/clock.ts'
import type { SubtaskMetrics } from '../worker/protocol.ts'
import type {
  CoordinatorEffect,
  CoordinatorEvent,
  CoordinatorState,
} from '../checkpoint/coordinator.ts'
import type { CheckpointId } from '../stream/elements.ts'
import type { SubtaskSnapshot } from '../checkpoint/snapshot.ts'
import type { MasterParts, MasterResult } from './master-parts.ts'
import type { CheckpointProgress, StepProgress } from './protocol.ts'
import { deferred, type Deferred } from '../base/deferred.ts'
import { asStreamError, messageOf, reasonOf, StreamError, type ErrorData } from '../base/errors.ts'
import { assembleState } from '../checkpoint/assemble.ts'
import { headName } from '../graph/job-graph.ts'
import { coordinate, startCoordinator } from '../checkpoint/coordinator.ts'
import { CheckpointLog } from './checkpoint-log.ts'
import { deploymentsOf } from './deployment.ts'
import { addCounts, countsOf, Progress, type StepCounts } from './progress.ts'
import { SavepointRequests } from './savepoint-requests.ts'
import { SplitDealer } from './split-dealer.ts'
import { StallWatch } from './stall-watch.ts'
import { withSplitName } from './split-name.ts'
import { WorkerGroup, type TaskMessage } from './worker-group.ts'

/**
 * The control plane of one life of a job: deploys its tasks, drives checkpoints, hands out splits.
 *
 * M1. Nothing commits but through the keeper, in the order that the coordinator gives.
 * M2. The first failure ends the life: workers are terminated and not heard any more.
 * M3. Manifests are written one at a time, in order; so are commits, savepoints and the end, which
 *     may lag behind the writing.
 */
export class JobMaster {
  readonly #parts: MasterParts
  readonly #progress: Progress
  readonly #log: CheckpointLog
  readonly #requests = new SavepointRequests()
  /** Of the checkpoint that has just been committed. */
  #requestsDue: number[] = []
  readonly #base: StepCounts
  readonly #workers: WorkerGroup
  readonly #splits: SplitDealer
  #coordinator: CoordinatorState
  #timer: Timer | undefined
  #expiry: Timer | undefined
  #writing: Promise<void> = Promise.resolve()
  #committing: Promise<void> = Promise.resolve()
  #savepoint: string | undefined
  #isOver = false
  readonly #result: Deferred<MasterResult> = deferred()

  constructor(parts: MasterParts) {
    this.#parts = parts
    const { plan, deployment } = parts
    const stalls = new StallWatch(plan.graph, parts.sources, parts.doors)
    this.#progress = new Progress(plan.graph, stalls)
    this.#log = new CheckpointLog(parts.doors)
    this.#base = countsOf(deployment.restored?.counters)
    const subtasks = plan.graph.vertices.flatMap((vertex) =>
      Array.from({ length: vertex.parallelism }, (_, subtask) => `${vertex.id}:${subtask}`),
    )
    this.#coordinator = startCoordinator(plan.settings.checkpointing, deployment.epoch, subtasks)
    this.#workers = new WorkerGroup(parts.spawn, deployment.workers, parts.doors.clock, (message) =>
      this.#guarded(() => this.#receive(message)),
    )
    this.#splits = new SplitDealer(this.#workers, parts.doors.faults)
    // Whoever awaits the result gets the failure; before that it is no unhandled rejection.
    this.#result.promise.catch(() => undefined)
  }

  /** Deploys the tasks, restored, and lets records flow. Throws what kept it from it. */
  async start(): Promise<void> {
    const { plan, deployment, sources, doors } = this.#parts
    doors.faults?.reach('master.deploy', {})
    const deployed = this.#workers.deploy(deploymentsOf({ ...deployment, plan }))
    await Promise.race([deployed, this.#result.promise])
    for (const source of sources) {
      const restored = deployment.restored?.sources.find(({ uid }) => uid === source.uid)
      this.#splits.deal(source, await source.start(restored))
    }
    doors.faults?.reach('master.start', {})
    this.#workers.tell({ type: 'start' })
    for (const source of sources) {
      source.watch(
        (assignments) => this.#splits.dealLater(source, assignments),
        (error) => this.#fail(error),
      )
    }
    this.#on({ type: 'started' })
  }

  /** Settles when the life has ended and all workers are gone. */
  async finished(): Promise<MasterResult> {
    try {
      return await this.#result.promise
    } finally {
      await this.#close()
    }
  }

  /** Resolves to the folder of a savepoint, when it is complete. */
  takeSavepoint(target: string | undefined): Promise<string> {
    return this.#requests.add(target, (request) => {
      this.#on({ type: 'savepoint-requested', request })
    })
  }

  /** Stops after a last checkpoint. With a savepoint it resolves to its folder. */
  async stop(options: {
    readonly savepoint: boolean
    readonly drain: boolean
    readonly target: string | undefined
  }): Promise<string | undefined> {
    const type = options.drain ? 'drain-requested' : 'stop-requested'
    if (!options.savepoint) {
      this.#on({ type })
      await this.#result.promise
      return undefined
    }
    return await this.#requests.add(options.target, (request) => {
      this.#on({ type, request })
    })
  }

  /** Ends the life here and now, as a failure does. */
  cancel(error: unknown = new StreamError('CANCELED', 'the job was canceled')): void {
    if (!this.#isOver) this.#fail(error)
  }

  get lastCheckpoint(): CheckpointProgress | undefined {
    return this.#log.last
  }

  steps(): readonly StepProgress[] {
    return this.#progress.steps()
  }

  /** Since the job's first start. */
  totals(): StepCounts {
    const life = this.#progress.totals()
    return {
      recordsIn: this.#base.recordsIn + life.recordsIn,
      recordsOut: this.#base.recordsOut + life.recordsOut,
      malformed: this.#base.malformed + life.malformed,
      late: this.#base.late + life.late,
    }
  }

  /** What goes wrong in a callback has nobody else to hear of it. */
  #guarded(act: () => void): void {
    try {
      act()
    } catch (error) {
      this.#fail(error)
    }
  }

  #receive(message: TaskMessage): void {
    if (message.type === 'log') {
      this.#parts.doors.logger[message.level](message.fields, message.message)
      return
    }
    if (message.type === 'metrics') this.#measured(message.subtasks)
    if (this.#isOver) {
      if (message.type === 'failed' || message.type === 'declined') this.#tellLate(message.error)
      return
    }
    switch (message.type) {
      case 'acknowledged':
        if (this.#parts.doors.faults !== undefined) this.#told(message.snapshot)
        this.#on({ type: 'acknowledged', snapshot: message.snapshot })
        break
      case 'declined':
        this.#on(message)
        break
      case 'expecting':
        this.#splits.onExpecting(message)
        break
      case 'ended':
        this.#on({ type: 'subtask-ended', vertex: message.vertex, subtask: message.subtask })
        break
      case 'failed':
        this.#fail(withSplitName(StreamError.fromData(message.error), this.#parts.sources))
        break
      case 'metrics':
        break
      default:
        message satisfies never
    }
  }

  #measured(subtasks: readonly SubtaskMetrics[]): void {
    this.#progress.update(subtasks)
    for (const operator of this.#progress.takeLateSteps()) {
      const hint = "Read them: the step has sideOutput('late'). Or allow more out-of-orderness."
      this.#parts.doors.logger.warn({ operator, hint }, 'records behind the watermark are dropped')
    }
  }

  #told({ vertex, subtask, checkpointId }: SubtaskSnapshot): void {
    const { plan, doors } = this.#parts
    const uid = headName(plan.graph.vertices[vertex]!)
    doors.faults?.reach('coordinator.acknowledged', { uid, subtask, checkpointId })
  }

  /** It changes nothing any more, but is not kept back: all is committed, or this life has failed. */
  #tellLate(error: ErrorData): void {
    this.#parts.doors.logger.warn(reasonOf(error), 'a step failed when all was over')
  }

  #on(event: CoordinatorEvent): void {
    if (this.#isOver) return
    const { clock } = this.#parts.doors
    const step = coordinate(this.#coordinator, event, clock.monotonicMs())
    this.#coordinator = step.state
    for (const effect of step.effects) this.#do(effect)
  }

  #do(effect: CoordinatorEffect): void {
    const { faults } = this.#parts.doors
    switch (effect.type) {
      case 'set-timer':
        this.#timer?.cancel()
        this.#timer = this.#later(effect.afterMs, () => this.#on({ type: 'timer' }))
        break
      case 'set-expiry': {
        const { checkpointId } = effect
        this.#expiry?.cancel()
        this.#expiry = this.#later(effect.afterMs, () => {
          faults?.reach('coordinator.expire', { checkpointId })
          this.#on({ type: 'expired', checkpointId })
        })
        break
      }
      case 'trigger':
        faults?.reach('coordinator.trigger', { checkpointId: effect.checkpointId })
        this.#log.onTriggered(effect.checkpointId)
        this.#workers.tell(effect)
        break
      case 'write':
        faults?.reach('coordinator.complete', { checkpointId: effect.checkpointId })
        this.#writing = this.#after(this.#writing, () => this.#write(effect))
        break
      case 'commit':
        this.#committing = this.#after(this.#committing, () => this.#commit(effect.checkpointId))
        break
      case 'confirm':
        this.#log.onCommitted(effect.checkpointId)
        this.#tellOf('confirmed', effect.checkpointId)
        break
      case 'aborted': {
        const { checkpointId, error } = effect
        faults?.reach('coordinator.abort', { checkpointId, what: error.code })
        this.#log.onAborted(checkpointId, error)
        break
      }
      case 'drain-sources':
        this.#workers.tell({ type: 'drain' })
        break
      case 'savepoint':
        this.#requestsDue.push(effect.request)
        break
      case 'over':
        this.#committing = this.#after(this.#committing, () =>
          this.#end(effect.status, effect.checkpointId),
        )
        break
      case 'fail':
        this.#fail(StreamError.fromData(effect.error))
        break
      default:
        effect satisfies never
    }
  }

  #later(ms: number, act: () => void): Timer {
    return this.#parts.doors.clock.timer(ms, () => this.#guarded(act))
  }

  /** M3. What the work throws ends the life. */
  async #after(earlier: Promise<void>, work: () => Promise<void>): Promise<void> {
    await earlier
    if (this.#isOver) return
    try {
      await work()
    } catch (error) {
      this.#fail(error)
    }
  }

  async #write(effect: Extract<CoordinatorEffect, { type: 'write' }>): Promise<void> {
    const { checkpointId, snapshots, final, drained } = effect
    const { faults } = this.#parts.doors
    await faults?.hold('coordinator.write', { checkpointId })
    const state = assembleState(
      this.#parts.plan.graph.vertices,
      snapshots,
      this.#parts.sources.map((source) => source.snapshot()),
    )
    try {
      const manifest = await this.#parts.keeper.write({
        ...state,
        checkpointId,
        final,
        drained,
        counters: { ...addCounts(this.#base, snapshots) },
      })
      this.#log.onWritten(checkpointId, manifest, snapshots)
    } catch (error) {
      const data = asStreamError(error, 'CHECKPOINT_FAILED').toData()
      this.#on({ type: 'write-failed', checkpointId, error: data })
      return
    }
    faults?.reach('coordinator.written', { checkpointId })
    this.#tellOf('completed', checkpointId)
    this.#on({ type: 'written', checkpointId })
  }

  async #commit(checkpointId: CheckpointId): Promise<void> {
    const { faults } = this.#parts.doors
    await faults?.hold('coordinator.commit', { checkpointId })
    await this.#parts.keeper.commit(this.#log.manifestOf(checkpointId))
    faults?.reach('coordinator.committed', { checkpointId })
    this.#on({ type: 'committed', checkpointId })
    // Before the next commit: that may drop files of this checkpoint.
    const due = this.#requestsDue
    this.#requestsDue = []
    for (const request of due) {
      if (!this.#isOver) await this.#copySavepoint(request, checkpointId)
    }
  }

  async #copySavepoint(request: number, checkpointId: CheckpointId): Promise<void> {
    const manifest = this.#log.manifestOf(checkpointId)
    await this.#parts.doors.faults?.hold('coordinator.savepoint', { checkpointId })
    const path = await this.#requests.answer(request, (target) =>
      this.#parts.keeper.savepoint(manifest, target),
    )
    this.#savepoint = path ?? this.#savepoint
  }

  async #end(status: 'finished' | 'stopped', checkpointId: CheckpointId): Promise<void> {
    const counts = countsOf(this.#log.manifestOf(checkpointId).counters)
    const { faults, logger } = this.#parts.doors
    faults?.reach('coordinator.over', { checkpointId, what: status })
    // All is committed: what fails while the workers close changes nothing.
    this.#isOver = true
    try {
      faults?.reach('master.close', {})
      await this.#workers.close()
    } catch (error) {
      logger.warn({ error: messageOf(error) }, 'the workers did not close cleanly')
    }
    this.#result.resolve({
      status,
      checkpointId,
      savepoint: this.#savepoint,
      checkpoints: this.#log.count,
      ...counts,
    })
  }

  /** A hint: one that is lost is made up for by the next. */
  #tellOf(type: 'confirmed' | 'completed', checkpointId: CheckpointId): void {
    const { faults } = this.#parts.doors
    const message = { type, checkpointId }
    const point = type === 'confirmed' ? 'coordinator.confirm' : 'coordinator.completed'
    if (faults === undefined) this.#workers.tell(message)
    else faults.pass(point, { checkpointId }, () => this.#workers.tell(message))
  }

  /** M2. */
  #fail(error: unknown): void {
    if (this.#isOver) {
      this.#tellLate(asStreamError(error).toData())
      return
    }
    this.#isOver = true
    this.#result.reject(error)
    this.#requests.end(error)
  }

  async #close(): Promise<void> {
    this.#isOver = true
    this.#timer?.cancel()
    this.#expiry?.cancel()
    this.#requests.end()
    await this.#workers.terminate()
    for (const source of this.#parts.sources) await source.close()
    await Promise.all([this.#writing, this.#committing])
  }
}
