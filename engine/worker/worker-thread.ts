/** The entry of a worker thread. */
import { parentPort } from 'node:worker_threads'
import { assert } from '../base/assert.ts'
import { systemDoors } from '../base/doors.ts'
import type { Logger } from '../base/logger.ts'
import type { FromWorker, ToWorker } from './protocol.ts'
import { workerDoors } from './faults-if-set.ts'
import { loadJobGraph } from './load-graph.ts'
import { WorkerChannels } from './channels.ts'
import { SharedParking } from './worker-loop.ts'
import { WorkerRuntime } from './worker-runtime.ts'

assert(parentPort !== null, 'this is the entry of a worker thread')
const port = parentPort
process.setSourceMapsEnabled(true)

const post = (message: FromWorker): void => {
  port.postMessage(message)
}
const log =
  (level: 'error' | 'warn' | 'info' | 'debug'): Logger['info'] =>
  (fields, message) => {
    const plain = JSON.parse(JSON.stringify(fields)) as typeof fields
    post({ type: 'log', level, fields: plain, message })
  }
const logger: Logger = {
  error: log('error'),
  warn: log('warn'),
  info: log('info'),
  debug: log('debug'),
}

// Messages wait until somebody listens.
const runtime = new WorkerRuntime(
  await workerDoors(systemDoors(logger)),
  {
    loadGraph: loadJobGraph,
    parking: ({ parking, worker }) => new SharedParking(parking!, worker),
    channels: ({ rings, parking, worker, workers }) =>
      new WorkerChannels(rings, new SharedParking(parking!, worker), worker, workers),
  },
  post,
)
port.on('message', (message: ToWorker) => {
  runtime.handle(message)
})
