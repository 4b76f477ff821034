import type { Clock, Timer } from '../base/clock.ts'

/**
 * A clock that stands still until it is moved. What is to happen in the next turn still happens in
 * the next turn of the event loop.
 */
export class VirtualClock implements Clock {
  #nowMs: number
  #sequence = 0
  readonly #startMs: number
  readonly #timers = new Map<number, { readonly atMs: number; readonly callback: () => void }>()
  #turns = 0

  constructor(startMs: number) {
    this.#startMs = startMs
    this.#nowMs = startMs
  }

  nowMs(): number {
    return this.#nowMs
  }

  monotonicMs(): number {
    return this.#nowMs - this.#startMs
  }

  timer(delayMs: number, callback: () => void): Timer {
    this.#sequence += 1
    const id = this.#sequence
    this.#timers.set(id, { atMs: this.#nowMs + delayMs, callback })
    return { cancel: () => this.#timers.delete(id) }
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((done) => {
      this.timer(delayMs, done)
    })
  }

  immediate(callback: () => void): void {
    this.#turns += 1
    setImmediate(() => {
      this.#turns -= 1
      callback()
    })
  }

  /** Moves on, calling what becomes due in order of time. Settles after each step. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms
    for (;;) {
      const next = this.#next(untilMs)
      if (next === undefined) break
      const { atMs, callback } = this.#timers.get(next)!
      this.#timers.delete(next)
      this.#nowMs = Math.max(this.#nowMs, atMs)
      callback()
      await this.settle()
    }
    this.#nowMs = untilMs
    await this.settle()
  }

  /** Resolves when nothing waits for a turn of the event loop any more. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < QUIET_TURNS;) {
      await new Promise((turn) => setImmediate(turn))
      quiet = this.#turns === 0 ? quiet + 1 : 0
    }
  }

  #next(untilMs: number): number | undefined {
    let found: number | undefined
    let foundMs = Infinity
    for (const [id, { atMs }] of this.#timers) {
      if (atMs <= untilMs && atMs < foundMs) {
        found = id
        foundMs = atMs
      }
    }
    return found
  }
}

/** Turns with nothing to do after which promises in between have settled too. */
const QUIET_TURNS = 5
