import type { FaultPlace } from './place.ts'
import type { FaultPointName } from './points.ts'
import type { FaultAction } from './schedule.ts'
import { sha256Hex } from '../base/hash.ts'

/** What a life does that is no step of the protocol: it begins, and it ends. */
export type LifeEvent = 'life.begin' | 'life.end'

/** One event of a run: a point that was reached, and what was done there. */
export interface TraceEvent {
  /** Of the scheduler, over all lives; in real runs the number of the event. */
  readonly step: number
  /** Since the run began. */
  readonly atMs: number
  /** Counted from 1. */
  readonly life: number
  readonly point: FaultPointName | LifeEvent
  readonly place: FaultPlace
  readonly fault?: FaultAction
}

/**
 * Two runs with one hash took the same steps. It covers logical events only: no messages, bytes or
 * stacks, which differ between versions of Node.
 */
export function traceHash(trace: readonly TraceEvent[]): string {
  const lines = trace.map(({ step, atMs, life, point, place, fault }) =>
    JSON.stringify([step, atMs, life, point, place, fault ?? null]),
  )
  return sha256Hex(lines.join('\n'))
}
