import type { FromWorker, ToWorker } from './protocol.ts'

/** The master's side of one worker, wherever it runs. */
export interface WorkerHandle {
  post(message: ToWorker): void
  /** Ends it without ceremony; resolves when nothing of it runs any more. */
  terminate(): Promise<void>
}

/** Makes the workers of one life. Every message of every worker goes to `onMessage`, in its order. */
export type SpawnWorkers = (
  count: number,
  onMessage: (message: FromWorker) => void,
) => readonly WorkerHandle[]
