import type { Clock } from '../base/clock.ts'
import type { FaultPlace } from './place.ts'
import type { FaultPointName } from './points.ts'
import type { CallOtherwise, FaultProbe } from './probe.ts'
import type { RealLife } from './real-life.ts'
import type { FaultAction } from './schedule.ts'
import { StreamError } from '../base/errors.ts'

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
export class RealProbe implements FaultProbe {
  readonly #life: RealLife
  readonly #thread: RealThread

  constructor(life: RealLife, thread: RealThread) {
    this.#life = life
    this.#thread = thread
  }

  reach(point: FaultPointName, place: FaultPlace): void {
    if (this.#isOver()) return
    const action = this.#life.tell(point, place)?.action
    if (action !== undefined) this.#act(action)
  }

  async hold(point: FaultPointName, place: FaultPlace): Promise<void> {
    if (this.#isOver()) throw ended()
    const action = this.#life.tell(point, place)?.action
    if (action?.type === 'delay') await this.#thread.clock.sleep(action.ms)
    else if (action !== undefined) this.#act(action)
  }

  pass(point: FaultPointName, place: FaultPlace, deliver: () => void): void {
    if (this.#isOver()) return
    const action = this.#life.tell(point, place)?.action
    if (action?.type === 'drop') return
    if (action?.type === 'delay') {
      this.#thread.clock.timer(action.ms, () => {
        if (!this.#isOver()) deliver()
      })
      return
    }
    if (action?.type === 'duplicate') deliver()
    else if (action !== undefined) this.#act(action)
    deliver()
  }

  async around<T>(
    point: FaultPointName,
    place: FaultPlace,
    call: () => Promise<T>,
    otherwise?: CallOtherwise,
  ): Promise<T> {
    if (this.#isOver()) throw ended()
    const action = this.#life.tell(point, place)?.action
    if (action === undefined) return await call()
    switch (action.type) {
      case 'delay':
        await this.#thread.clock.sleep(action.ms)
        break
      case 'errno':
        // One that fails by itself has no effect to keep; it is this errno that is told of.
        if (action.done === true) await call().catch(() => undefined)
        throw failing(action.errno, point)
      case 'torn':
        await otherwise?.part?.(action.bytes)
        this.#act(action)
        break
      default:
        this.#act(action)
    }
    return await call()
  }

  /** A worker never comes back from this when its life has crashed. */
  #isOver(): boolean {
    if (!this.#life.hasCrashed) return false
    if (!this.#thread.isMain) block()
    return true
  }

  #act(action: FaultAction): void {
    switch (action.type) {
      case 'crash':
      case 'power-loss':
      case 'torn':
        this.#crash()
        break
      case 'rescale':
        // Whoever started the parent starts it again, at the other parallelism.
        if (this.#life.shared.crash === 'process') this.#thread.kill(process.ppid)
        this.#crash()
        break
      case 'throw':
        throw new StreamError('FAULT_INJECTED', 'this step was made to fail')
      case 'errno':
        throw failing(action.errno, 'a step')
      case 'delay':
        block(action.ms)
        break
      case 'pause':
        this.#thread.standStill(action.ms)
        break
      case 'clock':
        this.#life.moveClock(action.ms)
        break
      case 'fence':
      case 'ask':
      case 'drop':
      case 'duplicate':
        // The first two are for whoever follows the journal; no message is here to be lost.
        break
      default:
        action satisfies never
    }
  }

  #crash(): void {
    if (this.#life.shared.crash === 'process') {
      this.#thread.kill(process.pid)
      block()
    }
    this.#life.crashed()
    if (!this.#thread.isMain) block()
    throw ended()
  }
}

/** The clock of a run whose wall clock can be set; user code that reads its own is not moved. */
export function movableClock(clock: Clock, life: RealLife): Clock {
  return { ...clock, nowMs: () => clock.nowMs() + life.clockOffMs }
}

function failing(errno: string, where: string): Error {
  return Object.assign(new Error(`${errno}: injected at ${where}`), { code: errno })
}

function ended(): StreamError {
  return new StreamError('FAULT_INJECTED', 'the life has crashed, as the schedule says')
}

/** Stands still, with the whole thread. */
function block(ms = Infinity): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}
