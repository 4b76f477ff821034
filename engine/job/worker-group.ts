import type { Clock } from '../base/clock.ts'
import type { Deployment, FromWorker, ToWorker } from '../worker/protocol.ts'
import type { SpawnWorkers, WorkerHandle } from '../worker/worker-handle.ts'
import { deferred, type Deferred } from '../base/deferred.ts'
import { WORKER_CLOSE_MS } from '../base/limits.ts'

/** What is left of a worker's messages when those about the worker itself are taken out. */
export type TaskMessage = Exclude<FromWorker, { type: 'deployed' | 'closed' }>

/** The workers of one life, as one: deployed together, closed together. */
export class WorkerGroup {
  readonly #clock: Clock
  readonly #workers: readonly WorkerHandle[]
  readonly #allDeployed: Deferred<void> = deferred()
  #deployed = 0
  #closed = 0

  constructor(
    spawn: SpawnWorkers,
    count: number,
    clock: Clock,
    onMessage: (message: TaskMessage) => void,
  ) {
    this.#clock = clock
    this.#workers = spawn(count, (message) => {
      if (message.type === 'deployed') {
        this.#deployed += 1
        if (this.#deployed === count) this.#allDeployed.resolve()
      } else if (message.type === 'closed') this.#closed += 1
      else onMessage(message)
    })
  }

  /** Resolves when the tasks of all workers are open and restored; a failure comes as a message. */
  deploy(deployments: readonly Deployment[]): Promise<void> {
    for (const deployment of deployments) {
      this.#workers[deployment.worker]!.post({ type: 'deploy', deployment })
    }
    return this.#allDeployed.promise
  }

  tell(message: ToWorker): void {
    for (const worker of this.#workers) worker.post(message)
  }

  /** To the worker that has this subtask: subtask s of any vertex is on worker s mod workers. */
  tellSubtask(subtask: number, message: ToWorker): void {
    this.#workers[subtask % this.#workers.length]!.post(message)
  }

  /** Lets every worker close what it holds, for as long as that may take. */
  async close(): Promise<void> {
    const deadlineMs = this.#clock.monotonicMs() + WORKER_CLOSE_MS
    this.tell({ type: 'close' })
    while (this.#closed < this.#workers.length && this.#clock.monotonicMs() < deadlineMs) {
      await this.#clock.sleep(1)
    }
  }

  async terminate(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()))
  }
}
