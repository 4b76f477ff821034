import type { FaultPlace } from './place.ts'
import type { FaultPointName } from './points.ts'
import type { FaultAction } from './schedule.ts'
import type { TimerEvent } from './timer-event.ts'

/** What a call of the disk may do in place of what it is for. */
export interface CallOtherwise {
  /** Takes effect for so many bytes: a write. */
  part?(bytes: number): Promise<void>
  /** Leaves behind what such a call leaves when it fails: a sync of a simulated disk. */
  fail?(): void
}

/**
 * How chaos sees the protocol, and where it steps in. Undefined in `Doors` in every run that is not
 * broken on purpose: each hook is then one comparison.
 *
 * A step is told before it is taken. Whatever is done to it is decided by the schedule alone.
 */
export interface FaultProbe {
  /** A synchronous step. Throws to make it fail. */
  reach(point: FaultPointName, place: FaultPlace): void
  /** An asynchronous step. Undefined: go on at once; a promise may be late, fail, or never come. */
  hold(point: FaultPointName, place: FaultPlace): Promise<void> | undefined
  /** A message: `deliver` is called once, never, twice or later. */
  pass(point: FaultPointName, place: FaultPlace, deliver: () => void): void
  /** A call of the disk: may fail before or after it has taken effect, or take effect in part. */
  around<T>(
    point: FaultPointName,
    place: FaultPlace,
    call: () => Promise<T>,
    otherwise?: CallOtherwise,
  ): Promise<T>
  /**
   * The input itself asks for a fault at this place: it strikes once in a run. Left out where a
   * run takes its faults from the schedule alone.
   */
  demand?(point: FaultPointName, place: FaultPlace, action: FaultAction): void
  /** Left out where nobody records what becomes of timers. */
  timer?(event: TimerEvent): void
}
