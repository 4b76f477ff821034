import type { OperatorFactory } from './runtime/options.ts'
import type { Json } from '../engine/base/json.ts'
import type {
  EventTimeUse,
  JobSettings,
  NodeRuntime,
  Partitioning,
  StreamEdge,
  StreamGraph,
  StreamNode,
} from '../engine/graph/stream-graph.ts'
import type { KeySelector } from '../engine/stream/keys.ts'
import type { SchemaData } from '../engine/stream/schema.ts'
import type { StateDescriptor } from '../engine/state/state.ts'
import type { AlignmentBounds } from '../engine/time/watermark-alignment.ts'
import { StreamError } from '../engine/base/errors.ts'
import { checkUid } from '../engine/graph/validate.ts'
import { DEFAULT_SETTINGS } from '../engine/graph/stream-graph.ts'
import { callSite } from './call-site.ts'
import { isExact } from './shapes.ts'

/** One output of a step, on its way to the next: what a stream is below its type. */
export interface Upstream {
  readonly node: number
  readonly side: string | undefined
  readonly partitioning: Partitioning
}

/** A step about to be added. */
export interface Step {
  readonly kind: string
  readonly uid?: string
  readonly parameters?: Json
  readonly parallelism?: number
  /** What is known of the records that come out. */
  readonly shape?: SchemaData | undefined
  readonly functionSlots?: number
  readonly keys?: readonly (KeySelector | undefined)[]
  readonly eventTime?: EventTimeUse
  readonly order?: 'arrival' | 'event-time'
  readonly alignment?: AlignmentBounds | 'off' | undefined
  readonly inputs: readonly (readonly Upstream[])[]
  readonly runtime: OperatorFactory | Exclude<NodeRuntime, { type: 'operator' }>
}

type Draft = { -readonly [P in keyof StreamNode]: StreamNode[P] }

/** Gathers the steps of one job while its function runs. */
export class GraphBuilder {
  readonly job: string
  readonly #nodes: Draft[] = []
  readonly #edges: StreamEdge[] = []
  #settings: JobSettings = DEFAULT_SETTINGS
  #isSealed = false

  constructor(job: string) {
    this.job = job
  }

  get settings(): JobSettings {
    return this.#settings
  }

  set settings(settings: JobSettings) {
    this.#checkOpen()
    this.#settings = settings
  }

  /** Adds a node with its edges; returns its id. */
  add(step: Step): number {
    this.#checkOpen()
    const at = callSite()
    const id = this.#nodes.length
    if (step.uid !== undefined || UID_KINDS.has(step.kind)) checkUid(step.uid, step.kind, () => at)
    const { runtime } = step
    const isOperator = !('type' in runtime)
    this.#nodes.push({
      id,
      uid: step.uid,
      name: step.uid ?? `${step.kind}-${id}`,
      kind: step.kind,
      parameters: step.parameters ?? {},
      parallelism: step.parallelism,
      maxParallelism: undefined,
      at,
      schema: isExact(step.shape) ? step.shape : undefined,
      states: isOperator ? checkStates(step, runtime.states) : [],
      ...(isOperator && runtime.broadcast !== undefined ? { broadcast: runtime.broadcast } : {}),
      functionSlots: step.functionSlots ?? 0,
      keys: step.keys ?? step.inputs.map(() => undefined),
      ...(step.eventTime === undefined ? {} : { eventTime: step.eventTime }),
      ...(step.order === undefined ? {} : { order: step.order }),
      ...(step.alignment === undefined ? {} : { alignment: step.alignment }),
      runtime: isOperator ? { type: 'operator', create: () => runtime.create() } : runtime,
    })
    for (const [input, upstreams] of step.inputs.entries()) {
      for (const { node, side, partitioning } of upstreams) {
        this.#edges.push({ from: node, side, to: id, input, partitioning })
      }
    }
    return id
  }

  name(id: number, name: string): void {
    this.#checkOpen()
    this.#nodes[id]!.name = name
  }

  parallelism(id: number, parallelism: number): void {
    this.#checkOpen()
    this.#nodes[id]!.parallelism = parallelism
  }

  /** Whether the rows of a window may come again behind this node, for late records. */
  firesTwice(id: number): boolean {
    const { kind, parameters } = this.#nodes[id]!
    if (kind.startsWith('window-')) {
      const { allowedLatenessMs } = parameters as { readonly allowedLatenessMs?: number }
      return (allowedLatenessMs ?? 0) > 0
    }
    return this.#edges.some((edge) => edge.to === id && this.firesTwice(edge.from))
  }

  /** The graph; from now on nothing can be added. */
  seal(): StreamGraph {
    this.#isSealed = true
    return {
      job: this.job,
      nodes: this.#nodes.map((node) => Object.freeze({ ...node })),
      edges: this.#edges,
      settings: this.#settings,
    }
  }

  #checkOpen(): void {
    if (!this.#isSealed) return
    throw new StreamError('JOB_INVALID', `job "${this.job}" is changed after it was built`, {
      hint: 'Make every step inside of the function given to defineJob, without await.',
    })
  }
}

/** Kinds that hold state, read or write: a uid is asked for. */
const UID_KINDS = new Set([
  'source',
  'sink',
  'process',
  'keyed-process',
  'co-process',
  'broadcast-process',
  'broadcast-order',
  'aggregate',
  'reduce',
  'window-aggregate',
  'window-reduce',
  'window-process',
  'interval-join',
  'top-n',
])

function checkStates(step: Step, states: readonly StateDescriptor[]): readonly StateDescriptor[] {
  const names = new Set<string>()
  for (const { name } of states) {
    if (names.has(name)) {
      throw new StreamError('OPTION_INVALID', `"${step.uid}" has two states named "${name}"`, {
        hint: 'Give each state its own name.',
      })
    }
    names.add(name)
  }
  return states
}
