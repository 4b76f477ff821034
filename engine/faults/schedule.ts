import type { FaultPlace } from './place.ts'
import type { FaultPointName } from './points.ts'

/** What is done at a fault point. Times are in ms of the clock of the run. */
export type FaultAction =
  /** The process dies, as by SIGKILL; what it wrote stays in the page cache. */
  | { readonly type: 'crash' }
  /** The machine dies: what was not made durable is lost, or partly lost. */
  | { readonly type: 'power-loss' }
  /** The step fails with FAULT_INJECTED. */
  | { readonly type: 'throw' }
  /** The call of the disk fails; `done`: after it has taken effect. */
  | { readonly type: 'errno'; readonly errno: Errno; readonly done?: boolean }
  /** A write takes effect for so many bytes only, and the machine dies. */
  | { readonly type: 'torn'; readonly bytes: number }
  /** The step or message is late. */
  | { readonly type: 'delay'; readonly ms: number }
  /** The message is lost. */
  | { readonly type: 'drop' }
  /** The message comes twice. */
  | { readonly type: 'duplicate' }
  /** The process stands still (SIGSTOP, a sleeping laptop). */
  | { readonly type: 'pause'; readonly ms: number }
  /** The wall clock is set forward or back. */
  | { readonly type: 'clock'; readonly ms: number }
  /** The same job is started a second time. */
  | { readonly type: 'fence'; readonly takeOver: boolean }
  /** The process dies, and starts again at another parallelism. */
  | { readonly type: 'rescale'; readonly parallelism: number }
  /** A user asks for something. */
  | { readonly type: 'ask'; readonly request: 'savepoint' | 'stop' | 'stop-with-savepoint' }

export type FaultActionType = FaultAction['type']

export const errnos = ['EIO', 'ENOSPC', 'EMFILE'] as const

export type Errno = (typeof errnos)[number]

/** One fault: the `nth` time that a life comes to this point, at this place, this is done. */
export interface Fault {
  /** `any`: whatever point comes. */
  readonly point: FaultPointName | 'any'
  readonly where?: FaultWhere
  /** Counted from 1, in the life named, or over all lives. */
  readonly nth: number
  /** Counted from 1. */
  readonly life?: number
  readonly action: FaultAction
}

export type FaultWhere = Pick<FaultPlace, 'uid' | 'subtask'>

/** What is done to a run, and the order in which it happens. Plain JSON. */
export interface FaultSchedule {
  /** Decides the order of events; in one thread, nothing else does. See also FIRST_COME. */
  readonly seed: number
  /** Of the first life. */
  readonly parallelism: number
  readonly faults: readonly Fault[]
  /** How records flow. Only simulations can say so. */
  readonly flow?: RecordFlow
}

/** What is left out is as the job has it. */
export interface RecordFlow {
  /** Most records of a batch that a source emits. */
  readonly batchRecords?: number
  /** How long a source waits between two batches. */
  readonly pollMs?: number
  /** Each input of a step is served at its own pace, drawn from the seed. */
  readonly uneven?: true
}

/**
 * The seed of the plainest order: first come, first served; no call of the disk is slow, and of
 * what was not made durable nothing survives a power loss.
 */
export const FIRST_COME = 0

/** `disk.state.sync#2 in life 1 → errno ENOSPC`, for people. */
export function describeFault({ point, where, nth, life, action }: Fault): string {
  const place =
    where === undefined ? '' : ` of ${[where.uid, where.subtask].filter(isGiven).join('-')}`
  const inLife = life === undefined ? '' : ` in life ${life}`
  return `${point} #${nth}${place}${inLife} → ${describeAction(action)}`
}

/** All that a schedule does, for people; empty when it does nothing. */
export function describeFaults({ faults, flow }: FaultSchedule): string {
  const parts = faults.map(describeFault)
  return [...parts, ...(flow === undefined ? [] : [describeFlow(flow)])].join('; ')
}

/** `batches of at most 7 records, a source waits 20 ms, uneven inputs`, for people. */
export function describeFlow({ batchRecords, pollMs, uneven }: RecordFlow): string {
  const parts = [
    batchRecords === undefined ? undefined : `batches of at most ${batchRecords} records`,
    pollMs === undefined ? undefined : `${pollMs} ms between two batches of a source`,
    uneven === undefined ? undefined : 'each input served at its own pace',
  ]
  return parts.filter(isGiven).join(', ')
}

export function describeAction(action: FaultAction): string {
  switch (action.type) {
    case 'errno':
      return action.done === true ? `${action.errno}, though done` : action.errno
    case 'torn':
      return `torn after ${action.bytes} bytes`
    case 'delay':
      return `late by ${action.ms} ms`
    case 'pause':
      return `stands still for ${action.ms} ms`
    case 'clock':
      return `clock moves by ${action.ms} ms`
    case 'fence':
      return action.takeOver ? 'a second one takes over' : 'a second one starts'
    case 'rescale':
      return `starts again at parallelism ${action.parallelism}`
    case 'ask':
      return `asked for a ${action.request}`
    default:
      return action.type
  }
}

function isGiven<T>(value: T | undefined): value is T {
  return value !== undefined
}
