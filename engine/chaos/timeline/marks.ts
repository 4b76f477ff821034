import type { FaultPlace } from '../../faults/place.ts'
import type { FaultAction } from '../../faults/schedule.ts'
import type { TraceEvent } from '../../faults/trace.ts'
import { faultPoints, type FaultPoint, type FaultPointName } from '../../faults/points.ts'

/** What is drawn for a step: see the legends of the two pictures. */
export type MarkKind =
  | ('trigger' | 'barrier' | 'aligning' | 'aligned' | 'cut' | 'acknowledge' | 'decline')
  | ('decision' | 'commit' | 'committed' | 'abort')
  | ('restore' | 'claim' | 'fence' | 'durable' | 'request' | 'fault')

export interface Mark {
  readonly kind: MarkKind
  readonly checkpointId?: number
  /** What became durable, or what the broker was asked for. */
  readonly label?: string
  readonly fault?: FaultAction
  /** Of as many steps of its kind in one row. */
  readonly count: number
}

export interface Lane {
  readonly id: string
  readonly kind: FaultPoint['lane']
  /** Of a subtask: the head of its chain. */
  readonly uid: string
  readonly subtask?: number
}

const KINDS: Readonly<Partial<Record<TraceEvent['point'], MarkKind>>> = {
  'coordinator.trigger': 'trigger',
  'barrier.forward': 'barrier',
  'align.first': 'aligning',
  'align.done': 'aligned',
  'snapshot.cut': 'cut',
  'snapshot.acknowledge': 'acknowledge',
  'snapshot.decline': 'decline',
  'coordinator.written': 'decision',
  'coordinator.commit': 'commit',
  'coordinator.committed': 'committed',
  'coordinator.abort': 'abort',
  'recover.own': 'fence',
  'recover.verify': 'restore',
  'recover.target': 'claim',
  'kafka.request': 'request',
}

/** Calls of the disk after which something counts, and what that is. */
const DURABLE: Readonly<Partial<Record<TraceEvent['point'], string>>> = {
  'disk.epoch.link': 'epoch',
  'disk.state.sync': 'state',
  'disk.manifest.link': 'manifest',
  'disk.staged.sync': 'staged',
  'disk.publish.link': 'publish',
  'disk.marker.rename': 'marker',
  'disk.savepoint.link': 'savepoint',
}

/** What a step is drawn as when no fault is in it; undefined for what is never drawn. */
export function markOf({ point, place }: TraceEvent): Mark | undefined {
  const label = DURABLE[point]
  if (label !== undefined) return withId({ kind: 'durable', label, count: 1 }, place)
  const kind = KINDS[point]
  if (kind === undefined) return undefined
  if (kind !== 'request') return withId({ kind, count: 1 }, place)
  return { kind, label: place.what ?? 'request', count: 1 }
}

function withId(mark: Mark, { checkpointId }: FaultPlace): Mark {
  return checkpointId === undefined ? mark : { ...mark, checkpointId }
}

/** A fault that does not keep the step from being taken. */
export function letsPass({ type }: FaultAction): boolean {
  return ['delay', 'duplicate', 'pause', 'clock', 'fence', 'ask'].includes(type)
}

/** Who takes steps in a run. Chained operators are one lane, by the head of the chain. */
export class Lanes {
  readonly #heads = new Map<string, string>()
  /** Uids in the order in which the barrier reaches them: sources first. */
  readonly #uids = new Set<string>()
  readonly #subtasks = new Map<string, Set<number>>()

  constructor(trace: readonly TraceEvent[]) {
    const opened = trace.filter(({ point }) => point === 'task.open')
    for (const { place } of opened) {
      if (place.uid !== undefined) this.#heads.set(place.uid, place.what ?? place.uid)
    }
    const flowing = trace.filter(({ point }) => point === 'barrier.forward')
    for (const { place } of [...flowing, ...opened]) this.#add(place)
  }

  all(): readonly Lane[] {
    const subtasks = [...this.#uids].flatMap((uid) =>
      [...this.#subtasks.get(uid)!]
        .sort((left, right) => left - right)
        .map((subtask) => ({ id: `${uid}-${subtask}`, kind: 'subtask', uid, subtask }) as const),
    )
    const [process, coordinator, disk, broker] = OTHERS
    return [process, coordinator, ...subtasks, disk, broker]
  }

  /** The id of the lane of a step. */
  laneOf(point: FaultPointName, place: FaultPlace): string {
    const { lane }: FaultPoint = faultPoints[point]
    if (lane !== 'subtask') return lane
    if (place.uid === undefined || place.subtask === undefined) return 'coordinator'
    const uid = this.#heads.get(place.uid) ?? place.uid
    return this.#subtasks.get(uid)?.has(place.subtask) === true
      ? `${uid}-${place.subtask}`
      : 'coordinator'
  }

  #add({ uid, subtask }: FaultPlace): void {
    if (uid === undefined || subtask === undefined) return
    const head = this.#heads.get(uid) ?? uid
    this.#uids.add(head)
    const subtasks = this.#subtasks.get(head) ?? new Set()
    this.#subtasks.set(head, subtasks.add(subtask))
  }
}

const OTHERS = [
  { id: 'process', kind: 'process', uid: 'process' },
  { id: 'coordinator', kind: 'coordinator', uid: 'coordinator' },
  { id: 'disk', kind: 'disk', uid: 'disk' },
  { id: 'broker', kind: 'broker', uid: 'broker' },
] as const satisfies readonly Lane[]
