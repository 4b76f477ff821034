import type { GraphBuilder, Step, Upstream } from './graph-builder.ts'
import type { Partitioning } from '../engine/graph/stream-graph.ts'
import type { SchemaData } from '../engine/stream/schema.ts'
import { stepError } from './checks.ts'

/** Side outputs of a stream: by name, or any name, for the class form of process functions. */
export type SideShapes = Readonly<Record<string, SchemaData | undefined>> | 'any'

/** What a stream is below its type. */
export interface StreamParts {
  readonly upstreams: readonly Upstream[]
  /** What is known of the records. */
  readonly shape: SchemaData | undefined
  readonly sides: SideShapes
  /** Further steps that give records to a side output, by its name. */
  readonly sideSources?: Readonly<Record<string, readonly Upstream[]>>
  /** The step that `named` and `parallelism` speak of; undefined after union. */
  readonly last: number | undefined
}

/** What streams need to make further streams; keeps their files free of cycles. */
export interface Planner {
  readonly builder: GraphBuilder
  stream(parts: StreamParts): object
}

export const PARTS = Symbol('parts')

/** Every stream of ours, whatever its kind. */
export interface PlannedStream {
  readonly [PARTS]: StreamParts
  readonly planner: Planner
}

/** The parts of a stream that was given to another. Throws OPTION_INVALID, JOB_INVALID. */
export function partsOf(stream: unknown, planner: Planner, step: string): StreamParts {
  const planned = stream as Partial<PlannedStream> | null | undefined
  const parts = typeof planned === 'object' ? planned?.[PARTS] : undefined
  if (parts === undefined) {
    throw stepError('OPTION_INVALID', `${step} is not given a stream`, 'Give it another stream.')
  }
  if (planned?.planner?.builder !== planner.builder) {
    throw stepError(
      'JOB_INVALID',
      `${step} is given a stream of another job`,
      'Make all streams of a job with the env that its function gets.',
    )
  }
  return parts
}

/** Adds a step and gives its result as a stream. */
export function addStep(
  planner: Planner,
  step: Step,
  sides: SideShapes = {},
  sideSources: StreamParts['sideSources'] = {},
): object {
  const node = planner.builder.add(step)
  return planner.stream({
    upstreams: [{ node, side: undefined, partitioning: { type: 'forward' } }],
    shape: step.shape,
    sides,
    sideSources,
    last: node,
  })
}

export function repartitioned(
  upstreams: readonly Upstream[],
  partitioning: Partitioning,
): readonly Upstream[] {
  return upstreams.map((upstream) => ({ ...upstream, partitioning }))
}

/** Every public method of a stream interface, with arguments not yet looked at. */
export type Methods<S> = {
  readonly [M in Extract<keyof S, string>]: (...given: never[]) => unknown
}

/** A step that this version has types for and nothing that runs. */
export function notInThisVersion(step: string, hint: string): never {
  throw stepError('OPTION_INVALID', `${step} is not part of this version`, hint)
}
