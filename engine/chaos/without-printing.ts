import type { SinkDefinition, SinkWriter } from '../operator/sink.ts'
import { defineJobOn, jobDefinition } from '../graph/job-definition.ts'

/**
 * The same job whose printing sinks print nothing: a search would print each row thousands of
 * times, between what it says itself.
 */
export function withoutPrinting(job: unknown): unknown {
  const definition = jobDefinition(job)
  return defineJobOn(
    {},
    {
      ...definition,
      build(values) {
        const graph = definition.build(values)
        const nodes = graph.nodes.map((node) => {
          if (node.runtime.type !== 'sink' || node.runtime.sink.kind !== 'print') return node
          return { ...node, runtime: { type: 'sink' as const, sink: silent(node.runtime.sink) } }
        })
        return { ...graph, nodes }
      },
    },
  )
}

function silent(sink: SinkDefinition): SinkDefinition {
  return { ...sink, createWriter: () => SILENT }
}

const SILENT: SinkWriter = {
  write: () => undefined,
  ready: () => true,
  prepareCommit: () => Promise.resolve([]),
  close: () => Promise.resolve(),
}
