import type { Clock } from '../base/clock.ts'
import type { FaultPlace } from './place.ts'
import type { FaultPointName } from './points.ts'
import type { RealLife } from './real-life.ts'
import type { FaultAction } from './schedule.ts'
import { StreamError } from '../base/errors.ts'
import { StrikingProbe, type LifeEnding } from './striking-probe.ts'

/** What only the thread at hand can say or do. */
export interface RealThread {
  readonly isMain: boolean
  readonly clock: Clock
  /** SIGKILL to a process. */
  kill(pid: number): void
  /** SIGSTOP to this process, and SIGCONT after so long. */
  standStill(ms: number): void
}

/**
 * The probe of real runs: the same faults as in simulation, on processes, threads and disks.
 *
 * A crash is SIGKILL of the own process. Where a process goes on (`crash: 'life'`), a worker that
 * comes to a step of a crashed life stops there for good, and in the main thread whatever the life
 * still tries fails, until it has been ended. A power loss is a crash: what a disk would have lost
 * is for simulation to show. A second start and requests of users are left to whoever follows the
 * journal.
 */
export class RealProbe extends StrikingProbe {
  readonly #life: RealLife
  readonly #thread: RealThread

  constructor(life: RealLife, thread: RealThread) {
    super()
    this.#life = life
    this.#thread = thread
  }

  protected override strike(point: FaultPointName, place: FaultPlace): FaultAction | undefined {
    return this.isOver() ? undefined : this.#life.tell(point, place)?.action
  }

  /** A worker never comes back from this when its life has crashed. */
  protected override isOver(): boolean {
    if (!this.#life.hasCrashed) return false
    if (!this.#thread.isMain) block()
    return true
  }

  protected override over(): Promise<never> {
    return Promise.reject(ended())
  }

  protected override sleep(ms: number): Promise<void> {
    return this.#thread.clock.sleep(ms)
  }

  protected override later(ms: number, callback: () => void): void {
    this.#thread.clock.timer(ms, callback)
  }

  protected override stall(ms: number): void {
    block(ms)
  }

  protected override end(how: LifeEnding): void {
    const isProcess = this.#life.shared.crash === 'process'
    // Whoever started the parent starts it again, at the other parallelism.
    if (isProcess && how.type === 'rescale') this.#thread.kill(process.ppid)
    if (isProcess) {
      this.#thread.kill(process.pid)
      block()
    }
    this.#life.crashed()
    if (!this.#thread.isMain) block()
    throw ended()
  }

  protected override pause(ms: number): void {
    this.#thread.standStill(ms)
  }

  protected override moveClock(ms: number): void {
    this.#life.moveClock(ms)
  }

  protected override startTwin(): void {
    // For whoever follows the journal.
  }

  protected override ask(): void {
    // For whoever follows the journal.
  }
}

/** The clock of a run whose wall clock can be set; user code that reads its own is not moved. */
export function movableClock(clock: Clock, life: RealLife): Clock {
  return { ...clock, nowMs: () => clock.nowMs() + life.clockOffMs }
}

function ended(): StreamError {
  return new StreamError('FAULT_INJECTED', 'the life has crashed, as the schedule says', {
    hint: 'A schedule of faults did it: run the job without one.',
  })
}

/** Stands still, with the whole thread. */
function block(ms = Infinity): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}
