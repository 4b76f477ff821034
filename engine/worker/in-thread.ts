import type { Doors } from '../base/doors.ts'
import type { JobGraph } from '../graph/job-graph.ts'
import type { FromWorker, ToWorker } from './protocol.ts'
import type { SpawnWorkers, WorkerHandle } from './worker-handle.ts'
import type { OpenStore } from '../state/key-value-store.ts'
import { InThreadWires } from './in-thread-channels.ts'
import { ClockParking } from './worker-loop.ts'
import { WorkerRuntime, type WorkerPlace } from './worker-runtime.ts'

export interface InThreadOptions {
  readonly openStore?: OpenStore
  /** Each input of a step is served at its own pace. */
  readonly isUneven?: boolean
}

/**
 * Workers in the master's own thread: for tests of jobs and for simulation. The same tasks, loop
 * and messages; messages still arrive in a later turn, as between threads.
 */
export function spawnInThread(
  doors: Doors,
  graph: JobGraph,
  { openStore, isUneven = false }: InThreadOptions = {},
): SpawnWorkers {
  return (count, onMessage) => {
    const parkings = Array.from({ length: count }, () => new ClockParking(doors.clock))
    const wires = new InThreadWires(
      doors,
      count,
      (worker) => {
        parkings[worker]!.wake()
      },
      isUneven,
    )
    return parkings.map((parking, worker) => {
      const channels = wires.channelsOf(worker)
      const place: WorkerPlace = {
        loadGraph: () => Promise.resolve(graph),
        channels: () => channels,
        parking: () => parking,
        openStore,
      }
      return new InThreadHandle(doors, place, onMessage)
    })
  }
}

/** Messages arrive in the order sent, whatever order the clock gives turns in. */
class InThreadHandle implements WorkerHandle {
  readonly #doors: Doors
  readonly #runtime: WorkerRuntime
  readonly #onMessage: (message: FromWorker) => void
  readonly #toWorker: ToWorker[] = []
  readonly #fromWorker: FromWorker[] = []
  #ended = false

  constructor(doors: Doors, place: WorkerPlace, onMessage: (message: FromWorker) => void) {
    this.#doors = doors
    this.#onMessage = onMessage
    this.#runtime = new WorkerRuntime(doors, place, (message) => {
      this.#fromWorker.push(message)
      doors.clock.immediate(this.#deliverFrom)
    })
  }

  post(message: ToWorker): void {
    this.#toWorker.push(message)
    this.#doors.clock.immediate(this.#deliverTo)
  }

  terminate(): Promise<void> {
    this.#ended = true
    this.#runtime.abandon()
    return Promise.resolve()
  }

  readonly #deliverTo = (): void => {
    const message = this.#toWorker.shift()!
    if (!this.#ended) this.#runtime.handle(message)
  }

  readonly #deliverFrom = (): void => {
    const message = this.#fromWorker.shift()!
    if (!this.#ended) this.#onMessage(message)
  }
}
