import type { SinkDefinition } from '../engine/operator/sink.ts'
import { printSink } from '../connectors/print/print-sink.ts'
import { defineJobOn, jobDefinition } from '../engine/graph/job-definition.ts'
import { sinkDefinition } from '../engine/operator/sink.ts'

/**
 * The same job with every sink printing, each line behind the sink's uid: `millrace dev` puts this
 * around the job in its bundle, so that main thread and workers build the same graph.
 */
export function printingJob(job: unknown): object {
  const definition = jobDefinition(job)
  return defineJobOn(
    {},
    {
      ...definition,
      build(values) {
        const graph = definition.build(values)
        const nodes = graph.nodes.map((node) => {
          const sink = printing(node.uid ?? node.name)
          return node.runtime.type === 'sink'
            ? { ...node, runtime: { type: 'sink' as const, sink } }
            : node
        })
        return { ...graph, nodes }
      },
    },
  )
}

function printing(uid: string): SinkDefinition {
  return sinkDefinition(printSink({ prefix: uid }))
}
