/**
 * What a person calls the parts of a step's state. A process function's states have names of its
 * own; of an aggregate a person knows the name that the job gives it, not the states that hold it.
 *
 * N1. Flags and messages use these names only.
 * N2. One name may stand for several states: a change of it is a change of them all.
 */
import type { SchemaData } from '../stream/schema.ts'
import type { StateChange } from '../state/state-changes.ts'
import type { StateDescriptor } from '../state/state.ts'
import { isWaitingState } from '../state/waiting-states.ts'
import type { OperatorState } from './snapshot.ts'
import { PROCESS_KINDS } from './comparison.ts'

/** The name by which timers are dropped. */
export const TIMERS = 'onTimer'
/** And records that wait for their event time. */
export const WAITING = 'order'

type Held = Pick<OperatorState, 'kind' | 'descriptors' | 'declared'>

/** Where the accumulators of windows lie. */
const OF_WINDOWS = /^(?:latest slice|earlier slices|sessions\[\]\.accumulator)\.(.+)$/
/** A running aggregate has a state for each part. */
const OF_RUNNING = /^(?:aggregate|sum|count|other|distinct) (.+)$/s

/** The name of a state or of a path in it; undefined: a part of the step that has no name. */
export function knownName(kind: string, path: string): string | undefined {
  if (isWaitingState(path)) return WAITING
  if (PROCESS_KINDS.has(kind)) return path
  switch (kind) {
    case 'aggregate':
      return OF_RUNNING.exec(path)?.[1]
    case 'window-aggregate':
      return OF_WINDOWS.exec(path)?.[1]
    default:
      return undefined
  }
}

/** All names of a step, those of fields too. */
export function knownNames(held: Held): readonly string[] {
  const names = new Set<string>()
  for (const path of pathsOf(held)) {
    const name = knownName(held.kind, path)
    if (name !== undefined) names.add(name)
  }
  if (held.declared?.settings['timers'] === true) names.add(TIMERS)
  return [...names]
}

/** The name of a window's aggregate that is alone: its accumulator lies there without a name. */
export function onlyAggregate({ kind, declared }: Held): string | undefined {
  if (kind !== 'window-aggregate') return undefined
  const aggregates = declared?.settings['aggregates'] as readonly { name: string }[] | undefined
  return aggregates?.length === 1 ? aggregates[0]!.name : undefined
}

/** N2: the same changes, of states and of fields in them. */
export function changesOfStates(held: Held, changes: readonly StateChange[]): StateChange[] {
  const paths = pathsOf(held)
  return changes.flatMap((change) => {
    const own = paths.filter((path) => knownName(held.kind, path) === change.path)
    if (own.length === 0) return [change]
    return own.map((path) => {
      const { to } = change
      const isState = held.descriptors.some(({ name }) => name === path)
      if (to === undefined || held.kind !== 'aggregate' || !isState) return { path, to }
      return { path, to: `${path.slice(0, path.indexOf(' '))} ${to}` }
    })
  })
}

function pathsOf({ descriptors, declared }: Held): readonly string[] {
  const paths: string[] = []
  for (const { name, value } of statesOf(descriptors, declared)) {
    paths.push(name)
    if (!isWaitingState(name)) collect(value, name, paths)
  }
  return paths
}

function statesOf(
  descriptors: readonly StateDescriptor[],
  declared: Held['declared'],
): readonly StateDescriptor[] {
  return [...descriptors, ...(declared?.broadcast ?? [])]
}

function collect(schema: SchemaData, path: string, paths: string[]): void {
  if (schema.kind === 'nullable') collect(schema.of, path, paths)
  else if (schema.kind === 'list') collect(schema.item, `${path}[]`, paths)
  else if (schema.kind === 'struct') {
    for (const field of schema.fields) {
      paths.push(`${path}.${field.name}`)
      collect(field.schema, `${path}.${field.name}`, paths)
    }
  }
}
