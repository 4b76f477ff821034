import type { Clock } from '../base/clock.ts'
import type { WorkShare } from '../state/work-share.ts'
import type { StreamTask } from '../task/stream-task.ts'
import { PARK_MS } from '../base/limits.ts'

/** How an idle loop waits: returns when woken by `wake` or a peer, or after `ms`. */
export interface Parking {
  /** Says that this worker is about to wait; peers that commit or release will wake it. */
  announce(): void
  /** It found work after all. */
  withdraw(): void
  /** Calls back once. */
  wait(ms: number, callback: () => void): void
  /** Ends a wait of this worker, from its own thread. */
  wake(): void
}

/** What the loop needs of a task. */
export type LoopTask = Pick<StreamTask, 'vertex' | 'runSlice' | 'hasWork' | 'workDone'>

/**
 * The one loop of a worker (hot-path §3): runs its tasks in slices, lets I/O in between two turns,
 * and parks when none has work.
 *
 * L1. Before it parks it announces so, and looks at its tasks once more: what was committed before
 *     the announcement is seen, what comes after it wakes.
 * L2. Downstream tasks go first, so that what is on its way leaves before more is read.
 * L3. A turn pays the snapshots under way for the work that it did; a loop with no work leaves
 *     them all of the time.
 */
export class WorkerLoop {
  readonly #clock: Clock
  readonly #parking: Parking
  readonly #share: WorkShare
  #tasks: readonly LoopTask[] = []
  #workDone = 0
  #scheduled = false
  #parked = false
  #closed = false
  readonly #onFailure: (error: unknown) => void

  constructor(
    clock: Clock,
    parking: Parking,
    share: WorkShare,
    onFailure: (error: unknown) => void,
  ) {
    this.#clock = clock
    this.#parking = parking
    this.#share = share
    this.#onFailure = onFailure
  }

  start(tasks: readonly LoopTask[]): void {
    this.#tasks = [...tasks].sort((left, right) => right.vertex.id - left.vertex.id)
    this.kick()
  }

  /** Something has happened: look at the tasks soon. */
  kick(): void {
    if (this.#parked) {
      this.#parking.wake()
      return
    }
    this.#schedule()
  }

  close(): void {
    this.#closed = true
    this.#share.idle()
    if (this.#parked) this.#parking.wake()
  }

  #schedule(): void {
    if (this.#scheduled || this.#closed) return
    this.#scheduled = true
    this.#clock.immediate(this.#turn)
  }

  readonly #turn = (): void => {
    this.#scheduled = false
    if (this.#closed) return
    try {
      this.#share.turnBegins()
      const startedMs = this.#clock.monotonicMs()
      let worked = false
      for (const task of this.#tasks) if (task.runSlice()) worked = true
      if (worked) {
        this.#share.turnEnds(this.#work(), this.#clock.monotonicMs() - startedMs)
        this.#schedule()
      } else {
        this.#park()
      }
    } catch (error) {
      this.#closed = true
      this.#share.idle()
      this.#onFailure(error)
    }
  }

  /** Units of work since it was last asked. */
  #work(): number {
    let done = 0
    for (const task of this.#tasks) done += task.workDone
    const units = done - this.#workDone
    this.#workDone = done
    return units
  }

  #park(): void {
    this.#parking.announce()
    for (const task of this.#tasks) {
      if (!task.hasWork()) continue
      this.#parking.withdraw()
      this.#schedule()
      return
    }
    this.#parked = true
    this.#share.idle()
    this.#parking.wait(PARK_MS, () => {
      this.#parked = false
      this.#schedule()
    })
  }
}

/** Waits on a flag in shared memory, without blocking the thread, so that I/O goes on. */
export class SharedParking implements Parking {
  readonly #flags: Int32Array
  readonly #own: number

  /** `flags` holds one word per worker, each on a cache line of its own. */
  constructor(buffer: SharedArrayBuffer, worker: number) {
    this.#flags = new Int32Array(buffer)
    this.#own = worker * PARKING_STRIDE
  }

  announce(): void {
    Atomics.store(this.#flags, this.#own, 1)
  }

  withdraw(): void {
    Atomics.store(this.#flags, this.#own, 0)
  }

  wait(ms: number, callback: () => void): void {
    const waited = Atomics.waitAsync(this.#flags, this.#own, 1, ms)
    if (!waited.async) {
      this.withdraw()
      callback()
      return
    }
    void waited.value.then(() => {
      this.withdraw()
      callback()
    })
  }

  wake(): void {
    this.wakePeer(this.#own / PARKING_STRIDE)
  }

  /** A peer has something to read, or room to write. */
  wakePeer(worker: number): void {
    const at = worker * PARKING_STRIDE
    if (Atomics.load(this.#flags, at) === 0) return
    Atomics.store(this.#flags, at, 0)
    Atomics.notify(this.#flags, at)
  }

  static create(workers: number): SharedArrayBuffer {
    return new SharedArrayBuffer(workers * PARKING_STRIDE * Int32Array.BYTES_PER_ELEMENT)
  }
}

const PARKING_STRIDE = 16

/** Waits on the clock: for tasks that share the master's thread. */
export class ClockParking implements Parking {
  readonly #clock: Clock
  #waiting: (() => void) | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  announce(): void {
    // Nobody else runs between the last look and the wait.
  }

  withdraw(): void {
    // As above.
  }

  wait(ms: number, callback: () => void): void {
    const timer = this.#clock.timer(ms, () => {
      this.wake()
    })
    this.#waiting = () => {
      timer.cancel()
      callback()
    }
  }

  wake(): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.()
  }
}
