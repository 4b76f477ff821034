import type { Doors } from '../base/doors.ts'
import type { JobGraph } from '../graph/job-graph.ts'
import type { StreamTask } from '../task/stream-task.ts'
import type { OpenStore } from '../state/key-value-store.ts'
import type { TaskOwner } from '../task/task-parts.ts'
import type { Deployment, FromWorker, ToWorker } from './protocol.ts'
import type { Timer } from '../base/clock.ts'
import type { Channels } from './task-builder.ts'
import { asStreamError, messageOf } from '../base/errors.ts'
import { assert } from '../base/assert.ts'
import { METRICS_EVERY_MS } from '../base/limits.ts'
import { formatCheckpointId } from '../checkpoint/layout.ts'
import { alignedSources } from '../graph/alignment.ts'
import { WorkShare } from '../state/work-share.ts'
import { TaskBuilder } from './task-builder.ts'
import { WorkerLoop, type Parking } from './worker-loop.ts'

/** What differs between a worker thread and tasks that share the master's thread. */
export interface WorkerPlace {
  /** Builds the job's graph anew and checks it against the plan. */
  loadGraph(deployment: Deployment): Promise<JobGraph>
  channels(deployment: Deployment): Channels
  parking(deployment: Deployment): Parking
  /** For state beyond its cache; LevelDB when left out. */
  readonly openStore?: OpenStore | undefined
}

/**
 * One worker: takes the master's messages, runs its tasks, answers. It knows nothing of threads.
 *
 * W1. After `failed` nothing is posted but `closed`: whatever else happened is void.
 * W2. Messages are handled one after another, in order, also those that await.
 */
export class WorkerRuntime {
  readonly #doors: Doors
  readonly #place: WorkerPlace
  readonly #post: (message: FromWorker) => void
  #tasks: StreamTask[] = []
  #loop: WorkerLoop | undefined
  #deployment: Deployment | undefined
  #metrics: Timer | undefined
  #failed = false
  #handled: Promise<void> = Promise.resolve()

  constructor(doors: Doors, place: WorkerPlace, post: (message: FromWorker) => void) {
    this.#doors = doors
    this.#place = place
    this.#post = post
  }

  handle(message: ToWorker): void {
    this.#handled = this.#handled.then(() =>
      this.#dispatch(message).catch((error: unknown) => {
        this.#fail(error)
      }),
    )
  }

  /** Nothing of it runs any more; what its tasks hold is left to the end of the process. */
  abandon(): void {
    this.#failed = true
    this.#loop?.close()
    this.#metrics?.cancel()
  }

  get #worker(): number {
    return this.#deployment?.worker ?? 0
  }

  async #dispatch(message: ToWorker): Promise<void> {
    if (this.#failed && message.type !== 'close') return
    const held = this.#doors.faults?.hold('worker.message', { what: message.type })
    if (held !== undefined) await held
    switch (message.type) {
      case 'deploy':
        await this.#deploy(message.deployment)
        break
      case 'start':
        this.#loop!.start(this.#tasks)
        this.#report()
        break
      case 'expect':
        this.#task(message.vertex, message.subtask).expectSplits()
        break
      case 'splits':
        this.#task(message.vertex, message.subtask).addSplits(message)
        break
      case 'trigger':
        this.#trigger(message)
        break
      case 'confirmed':
        for (const task of this.#tasks) task.confirm(message.checkpointId)
        break
      case 'completed':
        for (const task of this.#tasks) task.completed(message.checkpointId)
        break
      case 'drain':
        for (const task of this.#tasks) task.drain()
        break
      case 'close':
        await this.#close()
        return
      default:
        message satisfies never
    }
    this.#loop?.kick()
  }

  async #deploy(deployment: Deployment): Promise<void> {
    this.#deployment = deployment
    const graph = await this.#place.loadGraph(deployment)
    const share = new WorkShare(this.#doors.clock)
    const parking = this.#place.parking(deployment)
    const loop = new WorkerLoop(this.#doors.clock, parking, share, (error) => {
      this.#fail(error)
    })
    this.#loop = loop
    const channels = this.#place.channels(deployment)
    const owner = this.#owner()
    const aligned = alignedSources(graph)
    for (const vertex of graph.vertices) {
      for (let subtask = 0; subtask < vertex.parallelism; subtask += 1) {
        if (subtask % deployment.workers !== deployment.worker) continue
        const kick = (): void => {
          loop.kick()
        }
        const { openStore } = this.#place
        const doors = this.#doors
        const parts = { doors, deployment, graph, channels, owner, aligned, kick, share, openStore }
        this.#tasks.push(await new TaskBuilder(parts, vertex, subtask).build())
      }
    }
    this.#post({ type: 'deployed', worker: deployment.worker })
  }

  #trigger({ checkpointId, stop }: Extract<ToWorker, { type: 'trigger' }>): void {
    const { faults } = this.#doors
    for (const task of this.#tasks) {
      if (!task.isSource) continue
      const barrier = { checkpointId, stop, drain: false }
      if (faults === undefined) {
        task.trigger(barrier)
        continue
      }
      faults.pass('source.trigger', { ...task.place, checkpointId }, () => {
        task.trigger(barrier)
        this.#loop?.kick()
      })
    }
  }

  #owner(): TaskOwner {
    return {
      acknowledged: (snapshot) => {
        this.#say({ type: 'acknowledged', snapshot })
      },
      declined: (checkpointId, error) => {
        const data = asStreamError(error, 'CHECKPOINT_FAILED').toData()
        // The checkpoint may be over by now, and nobody listen.
        if (data.code !== 'CHECKPOINT_EXPIRED') {
          const checkpoint = formatCheckpointId(checkpointId)
          const fields = { checkpoint, code: data.code, reason: data.message }
          this.#doors.logger.warn(fields, 'a subtask could not take its part of the checkpoint')
        }
        this.#say({ type: 'declined', checkpointId, error: data })
      },
      expecting: (vertex, subtask) => {
        this.#say({ type: 'expecting', vertex, subtask })
      },
      ended: (vertex, subtask) => {
        this.#say({ type: 'ended', vertex, subtask })
      },
      failed: (error) => {
        this.#fail(error)
      },
    }
  }

  #task(vertex: number, subtask: number): StreamTask {
    const found = this.#tasks.find((task) => task.vertex.id === vertex && task.subtask === subtask)
    assert(found !== undefined, `no subtask ${subtask} of vertex ${vertex} here`)
    return found
  }

  #report(): void {
    this.#metrics = this.#doors.clock.timer(METRICS_EVERY_MS, () => {
      this.#postMetrics()
      this.#report()
    })
  }

  #postMetrics(): void {
    const subtasks = this.#tasks.map((task) => task.metrics())
    this.#say({ type: 'metrics', worker: this.#worker, subtasks })
  }

  #say(message: FromWorker): void {
    if (!this.#failed) this.#post(message)
  }

  #fail(error: unknown): void {
    if (this.#failed) return
    this.#failed = true
    this.#loop?.close()
    this.#metrics?.cancel()
    this.#post({ type: 'failed', worker: this.#worker, error: asStreamError(error).toData() })
  }

  async #close(): Promise<void> {
    this.#loop?.close()
    this.#metrics?.cancel()
    if (!this.#failed && this.#loop !== undefined) this.#postMetrics()
    for (const task of this.#tasks.reverse()) {
      try {
        await task.close()
      } catch (error) {
        this.#doors.logger.warn({ error: messageOf(error) }, 'a task did not close cleanly')
      }
    }
    this.#post({ type: 'closed', worker: this.#worker })
  }
}
