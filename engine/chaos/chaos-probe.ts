import type { CallOtherwise, FaultProbe } from '../faults/probe.ts'
import type { FaultPointName } from '../faults/points.ts'
import type { FaultPlan } from '../faults/fault-plan.ts'
import type { FaultPlace } from '../faults/place.ts'
import type { FaultAction } from '../faults/schedule.ts'
import type { TimerEvent } from '../faults/timer-event.ts'
import type { TraceEvent } from '../faults/trace.ts'
import type { TimerRecorder } from './timer-history.ts'
import { StreamError } from '../base/errors.ts'

/** What a fault may do to the world; who runs the schedule has it. */
export interface ChaosWorld {
  readonly step: number
  nowMs(): number
  sleep(ms: number): Promise<void>
  timer(ms: number, callback: () => void): void
  /** The life ends here: nothing of it may have an effect any more. */
  end(how: LifeEnding): void
  pause(ms: number): void
  moveClock(ms: number): void
  startTwin(takeOver: boolean): void
  ask(request: Extract<FaultAction, { type: 'ask' }>['request']): void
}

/** How a fault ends a life. */
export type LifeEnding = Extract<FaultAction, { type: 'crash' | 'power-loss' | 'torn' | 'rescale' }>

/** One life's probe: writes the trace, and does what the schedule says. */
export class ChaosProbe implements FaultProbe {
  readonly #plan: FaultPlan
  readonly #world: ChaosWorld
  readonly #life: number
  readonly #trace: TraceEvent[]
  readonly #timers: TimerRecorder
  #isDead = false

  constructor(
    plan: FaultPlan,
    world: ChaosWorld,
    life: number,
    trace: TraceEvent[],
    timers: TimerRecorder,
  ) {
    this.#plan = plan
    this.#world = world
    this.#life = life
    this.#trace = trace
    this.#timers = timers
  }

  /** From now on nothing is told or done. */
  die(): void {
    this.#isDead = true
  }

  reach(point: FaultPointName, place: FaultPlace): void {
    const action = this.#strike(point, place)
    if (action !== undefined) this.#act(action)
  }

  hold(point: FaultPointName, place: FaultPlace): Promise<void> | undefined {
    if (this.#isDead) return never()
    const action = this.#strike(point, place)
    if (action?.type === 'delay') return this.#world.sleep(action.ms)
    if (action !== undefined) this.#act(action)
    return this.#hasDied() ? never() : undefined
  }

  pass(point: FaultPointName, place: FaultPlace, deliver: () => void): void {
    const action = this.#strike(point, place)
    if (action?.type === 'drop') return
    if (action?.type === 'delay') {
      this.#world.timer(action.ms, () => {
        if (!this.#hasDied()) deliver()
      })
      return
    }
    if (action?.type === 'duplicate') deliver()
    else if (action !== undefined) this.#act(action)
    if (!this.#hasDied()) deliver()
  }

  async around<T>(
    point: FaultPointName,
    place: FaultPlace,
    call: () => Promise<T>,
    otherwise?: CallOtherwise,
  ): Promise<T> {
    if (this.#isDead) return never()
    const action = this.#strike(point, place)
    if (action === undefined) return call()
    switch (action.type) {
      case 'delay':
        await this.#world.sleep(action.ms)
        return call()
      case 'errno': {
        // One that fails by itself has no effect to keep; it is this errno that is told of.
        if (action.done === true) await call().catch(() => undefined)
        else otherwise?.fail?.()
        const message = `${action.errno}: injected at ${point}`
        throw Object.assign(new Error(message), { code: action.errno })
      }
      case 'torn':
        await otherwise?.part?.(action.bytes)
        break
      case 'throw':
        otherwise?.fail?.()
        break
      default:
        break
    }
    this.#act(action)
    return this.#hasDied() ? never() : call()
  }

  demand(point: FaultPointName, place: FaultPlace, action: FaultAction): void {
    if (this.#isDead || !this.#plan.demand(place)) return
    this.#tell(point, place, action)
    this.#act(action)
  }

  timer(event: TimerEvent): void {
    if (!this.#isDead) this.#timers.timer(event)
  }

  #hasDied(): boolean {
    return this.#isDead
  }

  #strike(point: FaultPointName, place: FaultPlace): FaultAction | undefined {
    if (this.#isDead) return undefined
    const fault = this.#plan.strike(point, place)?.action
    this.#tell(point, place, fault)
    return fault
  }

  #tell(point: FaultPointName, place: FaultPlace, fault: FaultAction | undefined): void {
    const { step } = this.#world
    const event = { step, atMs: this.#world.nowMs(), life: this.#life, point, place }
    this.#trace.push(fault === undefined ? event : { ...event, fault })
    this.#timers.reached(point, place)
  }

  #act(action: FaultAction): void {
    switch (action.type) {
      case 'crash':
      case 'power-loss':
      case 'torn':
      case 'rescale':
        this.#isDead = true
        this.#world.end(action)
        break
      case 'throw':
        throw new StreamError('FAULT_INJECTED', 'this step was made to fail')
      case 'errno':
        throw Object.assign(new Error(`${action.errno}: injected`), { code: action.errno })
      case 'pause':
      case 'delay':
        this.#world.pause(action.ms)
        break
      case 'clock':
        this.#world.moveClock(action.ms)
        break
      case 'fence':
        this.#world.startTwin(action.takeOver)
        break
      case 'ask':
        this.#world.ask(action.request)
        break
      case 'drop':
      case 'duplicate':
        // No message is here to be lost or doubled.
        break
      default:
        action satisfies never
    }
  }
}

function never<T>(): Promise<T> {
  return new Promise(() => undefined)
}
