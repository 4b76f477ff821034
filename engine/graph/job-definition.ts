import type { ParameterDeclaration } from './parameters.ts'
import type { StreamGraph, StreamNode } from './stream-graph.ts'
import { StreamError } from '../base/errors.ts'

/** What a job is to the engine: a name, what it wants to know, and how its graph is made. */
export interface JobDefinition {
  readonly name: string
  readonly parameters: readonly ParameterDeclaration[]
  /**
   * Makes the graph and checks it; `values` as `reviveParameters` gives them. Deterministic: called
   * in the main thread and in every worker. Throws a StreamError for each mistake of a graph.
   */
  build(values: Readonly<Record<string, unknown>>): StreamGraph
}

// Registered, so that a job made with the project's copy of Millrace is one for any other copy.
const DEFINITION = Symbol.for('millrace.job.1')

/** Puts the definition where `jobDefinition` finds it. */
export function defineJobOn<J extends object>(job: J, definition: JobDefinition): J {
  Object.defineProperty(job, DEFINITION, { value: definition })
  return job
}

/** The definition of what a module exports as its default. Throws JOB_INVALID when it is no job. */
export function jobDefinition(exported: unknown): JobDefinition {
  const job = defaultOf(exported)
  const definition =
    typeof job === 'object' && job !== null
      ? (job as { readonly [DEFINITION]?: JobDefinition })[DEFINITION]
      : undefined
  if (definition !== undefined) return definition
  throw new StreamError(
    'JOB_INVALID',
    job === undefined ? 'the module has no default export' : 'the default export is not a job',
    { hint: "Write: export default defineJob('name', (env) => { … })." },
  )
}

/** A module that was compiled to CommonJS has its default export one level down. */
function defaultOf(exported: unknown): unknown {
  if (typeof exported !== 'object' || exported === null) return exported
  return '__esModule' in exported && 'default' in exported ? exported.default : exported
}

/** The same job with other runtimes in its steps: `replace` gives a node's own back, or another. */
export function withRuntimes(
  job: unknown,
  replace: (node: StreamNode) => StreamNode['runtime'],
): object {
  const definition = jobDefinition(job)
  return defineJobOn(
    {},
    {
      ...definition,
      build(values) {
        const graph = definition.build(values)
        const nodes = graph.nodes.map((node) => ({ ...node, runtime: replace(node) }))
        return { ...graph, nodes }
      },
    },
  )
}
