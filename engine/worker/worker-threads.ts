import { Worker } from 'node:worker_threads'
import type { FromWorker, ToWorker } from './protocol.ts'
import type { SpawnWorkers, WorkerHandle } from './worker-handle.ts'
import { StreamError } from '../base/errors.ts'
import { asStreamError } from '../base/errors.ts'

/** One worker a thread. Each thread is a promise to report its death: a silent one is a failure. */
export const spawnThreads: SpawnWorkers = (count, onMessage) =>
  Array.from({ length: count }, (_, index) => new ThreadHandle(index, onMessage))

class ThreadHandle implements WorkerHandle {
  readonly #thread: Worker
  #closed = false

  constructor(index: number, onMessage: (message: FromWorker) => void) {
    this.#thread = new Worker(new URL('./worker-thread.js', import.meta.url), {
      name: `millrace-${index}`,
      stdout: false,
      stderr: false,
    })
    const died = (error: StreamError): void => {
      if (this.#closed) return
      this.#closed = true
      onMessage({ type: 'failed', worker: index, error: error.toData() })
    }
    this.#thread.on('message', (message: FromWorker) => {
      if (message.type === 'closed') this.#closed = true
      onMessage(message)
    })
    this.#thread.on('error', (thrown: unknown) => {
      died(asStreamError(thrown, 'WORKER_DIED'))
    })
    this.#thread.on('messageerror', (thrown) => {
      died(asStreamError(thrown, 'BUG'))
    })
    this.#thread.on('exit', (code) => {
      died(
        new StreamError('WORKER_DIED', `worker ${index} ended by itself with code ${code}`, {
          hint: 'A step of the job may have called process.exit, or the thread ran out of memory.',
        }),
      )
    })
  }

  post(message: ToWorker): void {
    this.#thread.postMessage(message)
  }

  async terminate(): Promise<void> {
    this.#closed = true
    await this.#thread.terminate()
  }
}
