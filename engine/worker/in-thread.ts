import type { Doors } from '../base/doors.ts'
import type { JobGraph } from '../graph/job-graph.ts'
import type { FromWorker, ToWorker } from './protocol.ts'
import type { SpawnWorkers, WorkerHandle } from './worker-handle.ts'
import { assert } from '../base/assert.ts'
import { LocalChannels } from './channels.ts'
import { ClockParking } from './worker-loop.ts'
import { WorkerRuntime } from './worker-runtime.ts'

/**
 * One worker in the master's own thread: for tests of jobs and for simulation. The same tasks,
 * loop and messages; messages still arrive in a later turn, as between threads.
 */
export function spawnInThread(doors: Doors, graph: JobGraph): SpawnWorkers {
  return (count, onMessage) => {
    assert(count === 1, 'there is one worker in a thread')
    return [new InThreadHandle(doors, graph, onMessage)]
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

  constructor(doors: Doors, graph: JobGraph, onMessage: (message: FromWorker) => void) {
    this.#doors = doors
    this.#onMessage = onMessage
    const channels = new LocalChannels()
    this.#runtime = new WorkerRuntime(
      doors,
      {
        loadGraph: () => Promise.resolve(graph),
        channels: () => channels,
        parking: () => new ClockParking(doors.clock),
      },
      (message) => {
        this.#fromWorker.push(message)
        doors.clock.immediate(this.#deliverFrom)
      },
    )
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
