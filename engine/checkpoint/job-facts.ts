import type { Json } from '../base/json.ts'
import type { JobGraph } from '../graph/job-graph.ts'
import type { StreamNode } from '../graph/stream-graph.ts'
import type { KeySelector } from '../stream/keys.ts'
import type { StateDescriptor } from '../state/state.ts'
import type { KeyDeclaration, StepDeclaration } from './snapshot.ts'

/** What a job says about each of its uids. */
export interface JobFacts {
  readonly operators: ReadonlyMap<string, OperatorFacts>
  /** Kinds, by uid. */
  readonly sources: ReadonlyMap<string, string>
  readonly sinks: ReadonlyMap<string, string>
}

export interface OperatorFacts {
  readonly kind: string
  readonly maxParallelism: number
  readonly states: readonly StateDescriptor[]
  readonly declared: StepDeclaration
}

export function jobFacts({ vertices }: JobGraph): JobFacts {
  const operators = new Map<string, OperatorFacts>()
  const sources = new Map<string, string>()
  const sinks = new Map<string, string>()
  for (const { chain, maxParallelism } of vertices) {
    for (const node of chain) {
      const { uid, kind, states, runtime } = node
      if (uid === undefined) continue
      if (runtime.type === 'source') sources.set(uid, runtime.source.kind)
      if (runtime.type === 'sink') sinks.set(uid, runtime.sink.kind)
      operators.set(uid, { kind, maxParallelism, states, declared: declarationOf(node) })
    }
  }
  return { operators, sources, sinks }
}

/** The parameters of a step that decide what its state means. A function's code is not seen. */
const SETTINGS = new Set([
  'windows',
  'allowedLatenessMs',
  'aggregates',
  'lowerMs',
  'upperMs',
  'n',
  'by',
  'order',
  'timers',
])

export function declarationOf(
  node: Pick<StreamNode, 'keys' | 'broadcast' | 'parameters'>,
): StepDeclaration {
  const { keys, broadcast = [], parameters } = node
  const settings = Object.entries(parameters as Readonly<Record<string, Json>>)
  return {
    keys: keys.map((key) => (key === undefined ? null : keyDeclaration(key))),
    broadcast,
    settings: Object.fromEntries(settings.filter(([name]) => SETTINGS.has(name))),
  }
}

function keyDeclaration(key: KeySelector): KeyDeclaration {
  switch (key.type) {
    case 'field':
      return { type: 'field', fields: [key.field], kinds: key.kinds ?? [null] }
    case 'fields':
      return { type: 'fields', fields: key.fields, kinds: key.kinds ?? key.fields.map(() => null) }
    case 'function':
      return { type: 'function', fields: [], kinds: [] }
    default:
      return key satisfies never
  }
}
