import type { SourceDefinition } from '../operator/source.ts'
import { withRuntimes } from '../graph/job-definition.ts'

/** The same job with other sources in the places of its own. `name` is the uid of the source. */
export function withSources(
  job: unknown,
  replace: (source: SourceDefinition, name: string) => SourceDefinition,
): object {
  return withRuntimes(job, ({ uid, name, runtime }) =>
    runtime.type === 'source'
      ? { type: 'source', source: replace(runtime.source, uid ?? name) }
      : runtime,
  )
}
