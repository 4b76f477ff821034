import type { Parameters, ParameterValues } from './parameters.ts'
import type { StreamEnvironment } from './environment.ts'
import type { ParameterDeclaration } from '../engine/graph/parameters.ts'
import type { StreamGraph } from '../engine/graph/stream-graph.ts'
import { asStreamError, StreamError } from '../engine/base/errors.ts'
import { defineJobOn } from '../engine/graph/job-definition.ts'
import { userLine } from '../engine/operator/user-error.ts'
import { checkJobName, validateGraph } from '../engine/graph/validate.ts'
import { StreamEnvironmentSteps } from './environment.ts'
import { GraphBuilder } from './graph-builder.ts'
import { parameterDeclarations } from './parameters.ts'

declare const job: unique symbol

/** A job: the default export of its module. */
export interface Job {
  readonly [job]: true
  readonly name: string
}

/**
 * Describes a job. `build` makes its steps; it is called once for the plan and once in every worker,
 * and must do the same each time: what varies comes in by parameters.
 */
export function defineJob(name: string, build: (env: StreamEnvironment) => void): Job
export function defineJob<const P extends Parameters>(
  name: string,
  parameters: P,
  build: (env: StreamEnvironment, parameters: ParameterValues<P>) => void,
): Job
export function defineJob(name: unknown, ...rest: readonly unknown[]): Job {
  checkJobName(name)
  const build = rest.at(-1)
  if (typeof build !== 'function') {
    throw new StreamError('JOB_INVALID', `job "${name}" has no function`, {
      hint: "Write: defineJob('name', (env) => { … }).",
    })
  }
  const declared = rest.length === 2 ? (rest[0] as Readonly<Record<string, unknown>>) : {}
  const parameters = parameterDeclarations(declared)
  const value = defineJobOn(new JobValue(name), {
    name,
    parameters,
    build: (values) => buildGraph(name, parameters, build as BuildFunction, values),
  })
  return Object.freeze(value) as unknown as Job
}

type BuildFunction = (env: unknown, values: Readonly<Record<string, unknown>>) => unknown

class JobValue {
  readonly name: string

  constructor(name: string) {
    this.name = name
  }
}

function buildGraph(
  name: string,
  parameters: readonly ParameterDeclaration[],
  build: BuildFunction,
  values: Readonly<Record<string, unknown>>,
): StreamGraph {
  for (const parameter of parameters) {
    if (Object.hasOwn(values, parameter.name)) continue
    throw new StreamError('PARAMETER_MISSING', `job "${name}" needs "${parameter.name}"`, {
      hint: `Pass --set ${parameter.name}=….`,
    })
  }
  const builder = new GraphBuilder(name)
  const returned = callBuild(name, build, builder, values)
  const graph = builder.seal()
  if (returned instanceof Promise) {
    // Its failure, if any, is told by the error below.
    returned.catch(() => undefined)
    throw new StreamError('JOB_INVALID', `the function of job "${name}" is async`, {
      hint: 'A job is built without waiting: take what it needs as parameters.',
    })
  }
  validateGraph(graph)
  return graph
}

function callBuild(
  name: string,
  build: BuildFunction,
  builder: GraphBuilder,
  values: Readonly<Record<string, unknown>>,
): unknown {
  try {
    return build(new StreamEnvironmentSteps(builder), values)
  } catch (error) {
    if (error instanceof StreamError) throw error
    const found = asStreamError(error)
    const at = error instanceof Error ? userLine(error.stack) : undefined
    throw new StreamError('JOB_INVALID', `the function of job "${name}" threw: ${found.message}`, {
      hint: 'It is called to plan the job, before a record flows.',
      ...(at === undefined ? {} : { place: { at } }),
      cause: error,
    })
  }
}
