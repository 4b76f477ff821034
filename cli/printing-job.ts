import type { SinkDefinition } from '../engine/operator/sink.ts'
import { printSink } from '../connectors/print/print-sink.ts'
import { withRuntimes } from '../engine/graph/job-definition.ts'
import { sinkDefinition } from '../engine/operator/sink.ts'

/**
 * The same job with every sink printing, each line behind the sink's uid: `millrace dev` puts this
 * around the job in its bundle, so that main thread and workers build the same graph.
 */
export function printingJob(job: unknown): object {
  return withRuntimes(job, ({ uid, name, runtime }) =>
    runtime.type === 'sink' ? { type: 'sink', sink: printing(uid ?? name) } : runtime,
  )
}

function printing(uid: string): SinkDefinition {
  return sinkDefinition(printSink({ prefix: uid }))
}
