import type { Clock, Timer } from '../base/clock.ts'
import type { Random } from '../base/random.ts'

interface Alarm {
  readonly atMs: number
  readonly order: number
  readonly callback: () => void
}

/** Who runs next of those that wait: any of them, or the one that came first. */
export type TurnOrder = 'chance' | 'arrival'

/**
 * A clock and scheduler for simulation: picks what runs next by chance, from a seed, or in the
 * order of arrival. Time stands still while anything waits for a turn, and jumps to the next alarm
 * when nothing does.
 */
export class SeededScheduler implements Clock {
  readonly #random: Random
  readonly #startMs: number
  readonly #turns: TurnOrder
  readonly #waiting: (() => void)[] = []
  readonly #alarms = new Set<Alarm>()
  #nowMs: number
  /** How far the wall clock is off. */
  #offsetMs = 0
  #order = 0
  steps = 0

  constructor(random: Random, startMs: number, turns: TurnOrder = 'chance') {
    this.#random = random
    this.#turns = turns
    this.#startMs = startMs
    this.#nowMs = startMs
  }

  /** In whole ms, as any wall clock; an alarm may ring in between. */
  nowMs(): number {
    return Math.floor(this.#nowMs + this.#offsetMs)
  }

  monotonicMs(): number {
    return this.#nowMs - this.#startMs
  }

  timer(delayMs: number, callback: () => void): Timer {
    this.#order += 1
    const alarm = { atMs: this.#nowMs + Math.max(delayMs, 0), order: this.#order, callback }
    this.#alarms.add(alarm)
    return { cancel: () => this.#alarms.delete(alarm) }
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((done) => {
      this.timer(delayMs, done)
    })
  }

  immediate(callback: () => void): void {
    this.#waiting.push(callback)
  }

  /** Time passes and nothing runs meanwhile, as when the process was stopped. */
  pause(ms: number): void {
    this.#nowMs += ms
  }

  /** The wall clock is set forward or back. */
  moveClock(ms: number): void {
    this.#offsetMs += ms
  }

  /** Runs one thing and lets promises settle. False: nothing is left to run, now or later. */
  async step(): Promise<boolean> {
    this.steps += 1
    const next = this.#take() ?? this.#ring()
    next?.()
    // One turn of the real event loop drains the microtasks.
    await new Promise((turn) => setImmediate(turn))
    return next !== undefined || this.#waiting.length > 0 || this.#alarms.size > 0
  }

  #take(): (() => void) | undefined {
    if (this.#waiting.length === 0) return undefined
    if (this.#turns === 'arrival') return this.#waiting.shift()
    const index = this.#random.int(this.#waiting.length)
    return this.#waiting.splice(index, 1)[0]
  }

  #ring(): (() => void) | undefined {
    let first: Alarm | undefined
    for (const alarm of this.#alarms) {
      if (first === undefined || alarm.atMs < first.atMs) first = alarm
      else if (alarm.atMs === first.atMs && alarm.order < first.order) first = alarm
    }
    if (first === undefined) return undefined
    this.#alarms.delete(first)
    this.#nowMs = Math.max(this.#nowMs, first.atMs)
    return first.callback
  }
}
