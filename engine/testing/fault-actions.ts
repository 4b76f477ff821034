import type { FaultPointName } from '../faults/points.ts'
import type { Errno, Fault, FaultAction, FaultWhere } from '../faults/schedule.ts'
import { parseFault } from '../chaos/parse-schedule.ts'

declare const sentinel: unique symbol

/**
 * What can stand between the records of a `testSource`, to happen when the source comes to it: a
 * fault strikes once in a run, though the records around it may be read again.
 */
export type Sentinel = { readonly [sentinel]: true } & (FaultAction | { readonly type: 'end' })

const SENTINEL = Symbol.for('millrace.sentinel.1')

function made<A extends FaultAction | { readonly type: 'end' }>(action: A): A & Sentinel {
  return Object.defineProperty(action, SENTINEL, { value: true }) as A & Sentinel
}

export function isSentinel(element: unknown): element is Sentinel {
  return typeof element === 'object' && element !== null && SENTINEL in element
}

/** Where and when a fault strikes. */
export interface FaultMoment extends FaultWhere {
  /** The so many-th time that a life comes to the point, from 1; 1 when left out. */
  readonly nth?: number
  /** Counted from 1. Left out: `nth` counts over all lives. */
  readonly life?: number
}

export const chaos = {
  /** A fault at a step of the protocol; `millrace chaos points` lists the names. */
  at(point: FaultPointName | 'any', moment: FaultMoment, action: FaultAction): Fault {
    const { uid, subtask, nth = 1, life } = moment
    const where = {
      ...(uid === undefined ? {} : { uid }),
      ...(subtask === undefined ? {} : { subtask }),
    }
    const fault = {
      point,
      ...(Object.keys(where).length === 0 ? {} : { where }),
      nth,
      ...(life === undefined ? {} : { life }),
      action,
    }
    return parseFault(fault, `the fault at "${point}"`)
  },
} as const

/** The process dies, as by SIGKILL; what it wrote stays in the page cache. */
export const crash = () => made({ type: 'crash' })

/** The machine dies: what was not made durable is lost, or partly lost. */
export const powerLoss = () => made({ type: 'power-loss' })

/** The step fails; in an input, the source. */
export const throws = () => made({ type: 'throw' })

/** The call of the disk fails; `done`: after it has taken effect. At points of the disk. */
export function errno(name: Errno, { done = false }: { readonly done?: boolean } = {}) {
  return { type: 'errno', errno: name, ...(done ? { done } : {}) } as const
}

/** A write takes effect for so many bytes only, and the machine dies. */
export const torn = (bytes: number) => ({ type: 'torn', bytes }) as const

/** The step or message is late. */
export const delay = (ms: number) => ({ type: 'delay', ms }) as const

/** The message is lost. */
export const drop = () => ({ type: 'drop' }) as const

/** The message comes twice. */
export const duplicate = () => ({ type: 'duplicate' }) as const

/**
 * At a point: the process stands still for so long. In an input: nothing comes for so long, and
 * the rest of the job goes on; time for a checkpoint.
 */
export const pause = (ms = 100) => made({ type: 'pause', ms })

/** The wall clock is set forward or back. */
export const moveClock = (ms: number) => made({ type: 'clock', ms })

/** The same job is started a second time; with `takeOver` it kills the first. */
export const fence = ({ takeOver = false }: { readonly takeOver?: boolean } = {}) =>
  made({ type: 'fence', takeOver })

/** The process dies, and starts again at another parallelism. */
export const rescale = (parallelism: number) => made({ type: 'rescale', parallelism })

/** A user asks for something. */
export const ask = (request: Extract<FaultAction, { type: 'ask' }>['request']) =>
  made({ type: 'ask', request })

/** In an input: it ends here; what follows is not read. */
export const endOfInput = () => made({ type: 'end' })
