import type { FaultPlan } from '../faults/fault-plan.ts'
import type { FaultPlace } from '../faults/place.ts'
import type { FaultPointName } from '../faults/points.ts'
import type { FaultAction } from '../faults/schedule.ts'
import type { TimerEvent } from '../faults/timer-event.ts'
import type { TraceEvent } from '../faults/trace.ts'
import type { TimerRecorder } from './timer-history.ts'
import { StrikingProbe, type FaultRequest, type LifeEnding } from '../faults/striking-probe.ts'

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
  ask(request: FaultRequest): void
}

/** Where a probe puts what it sees. */
interface Told {
  /** Of the whole run. */
  readonly trace: TraceEvent[]
  /** Of its process: what was made to fail. */
  readonly struck: TraceEvent[]
  readonly timers: TimerRecorder
}

/** The probe of one simulated life: writes the trace, and does what the schedule says. */
export class ChaosProbe extends StrikingProbe {
  readonly #plan: FaultPlan
  readonly #world: ChaosWorld
  readonly #life: number
  readonly #told: Told
  #isDead = false

  constructor(plan: FaultPlan, world: ChaosWorld, life: number, told: Told) {
    super()
    this.#plan = plan
    this.#world = world
    this.#life = life
    this.#told = told
  }

  /** From now on nothing is told or done. */
  die(): void {
    this.#isDead = true
  }

  demand(point: FaultPointName, place: FaultPlace, action: FaultAction): void {
    if (this.#isDead || !this.#plan.demand(place)) return
    this.#tell(point, place, action)
    this.act(action, point)
  }

  timer(event: TimerEvent): void {
    if (!this.#isDead) this.#told.timers.timer(event)
  }

  protected override strike(point: FaultPointName, place: FaultPlace): FaultAction | undefined {
    if (this.#isDead) return undefined
    const fault = this.#plan.strike(point, place)?.action
    this.#tell(point, place, fault)
    return fault
  }

  protected override isOver(): boolean {
    return this.#isDead
  }

  protected override over(): Promise<never> {
    return new Promise(() => undefined)
  }

  protected override sleep(ms: number): Promise<void> {
    return this.#world.sleep(ms)
  }

  protected override later(ms: number, callback: () => void): void {
    this.#world.timer(ms, callback)
  }

  protected override stall(ms: number): void {
    this.#world.pause(ms)
  }

  protected override end(how: LifeEnding): void {
    this.#isDead = true
    this.#world.end(how)
  }

  protected override pause(ms: number): void {
    this.#world.pause(ms)
  }

  protected override moveClock(ms: number): void {
    this.#world.moveClock(ms)
  }

  protected override startTwin(takeOver: boolean): void {
    this.#world.startTwin(takeOver)
  }

  protected override ask(request: FaultRequest): void {
    this.#world.ask(request)
  }

  #tell(point: FaultPointName, place: FaultPlace, fault: FaultAction | undefined): void {
    const { step } = this.#world
    const { trace, struck, timers } = this.#told
    const reached = { step, atMs: this.#world.nowMs(), life: this.#life, point, place }
    const event = fault === undefined ? reached : { ...reached, fault }
    trace.push(event)
    if (fault?.type === 'errno' || fault?.type === 'throw') struck.push(event)
    timers.reached(point, place)
  }
}
