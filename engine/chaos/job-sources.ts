import type { SourceDefinition } from '../operator/source.ts'
import { defineJobOn, jobDefinition } from '../graph/job-definition.ts'

/** The same job with other sources in the places of its own. `name` is the uid of the source. */
export function withSources(
  job: unknown,
  replace: (source: SourceDefinition, name: string) => SourceDefinition,
): unknown {
  const definition = jobDefinition(job)
  return defineJobOn(
    {},
    {
      ...definition,
      build(values) {
        const graph = definition.build(values)
        const nodes = graph.nodes.map((node) => {
          if (node.runtime.type !== 'source') return node
          const source = replace(node.runtime.source, node.uid ?? node.name)
          return { ...node, runtime: { type: 'source' as const, source } }
        })
        return { ...graph, nodes }
      },
    },
  )
}
