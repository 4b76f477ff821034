import type { JobGraph } from '../graph/job-graph.ts'
import type { Deployment } from './protocol.ts'
import { StreamError } from '../base/errors.ts'
import { jobDefinition } from '../graph/job-definition.ts'
import { toJobGraph } from '../graph/chaining.ts'
import { compareDeterminism, planData } from '../graph/plan.ts'
import { reviveParameters } from '../graph/parameters.ts'

/** Imports the job's bundle, builds its graph again and refuses another plan than the master's. */
export async function loadJobGraph(deployment: Deployment): Promise<JobGraph> {
  const module = (await import(deployment.bundle!)) as { readonly default?: unknown }
  const definition = jobDefinition(module.default)
  const graph = definition.build(reviveParameters(deployment.parameters))
  const differs = compareDeterminism(deployment.plan, planData(graph))
  if (differs !== undefined) {
    throw new StreamError(
      'PLAN_NOT_DETERMINISTIC',
      `worker ${deployment.worker} built another plan, first at "${differs}"`,
      { hint: 'Build without time, chance or process.env: use parameters for what varies.' },
    )
  }
  return toJobGraph(graph, deployment.parallelism)
}
