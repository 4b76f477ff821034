/**
 * The door for time. Production reads the machine's clocks; a simulation moves a virtual one.
 *
 * `nowMs` is wall-clock epoch time in ms, `monotonicMs` never goes back and has no fixed origin.
 */
export interface Timer {
  cancel(): void
}

export interface Clock {
  nowMs(): number
  monotonicMs(): number
  /** Calls `callback` once, `delayMs` from now at the earliest. Does not keep the process alive. */
  timer(delayMs: number, callback: () => void): Timer
  /** Resolves after `delayMs`. */
  sleep(delayMs: number): Promise<void>
  /** Calls `callback` in the next turn of the event loop, after pending I/O. */
  immediate(callback: () => void): void
}

/** Node fires a timer of more milliseconds than this at once. */
const TIMEOUT_MAX_MS = 2 ** 31 - 1

/** A timeout of any length, in parts that node takes. */
class LongTimeout {
  #handle: NodeJS.Timeout | undefined
  readonly #isRef: boolean
  readonly #callback: () => void

  constructor(delayMs: number, callback: () => void, isRef: boolean) {
    this.#callback = callback
    this.#isRef = isRef
    this.#arm(delayMs)
  }

  cancel(): void {
    clearTimeout(this.#handle)
  }

  #arm(delayMs: number): void {
    const restMs = delayMs - TIMEOUT_MAX_MS
    this.#handle =
      restMs > 0
        ? setTimeout(() => {
            this.#arm(restMs)
          }, TIMEOUT_MAX_MS)
        : setTimeout(this.#callback, delayMs)
    if (!this.#isRef) this.#handle.unref()
  }
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  timer: (delayMs, callback) => new LongTimeout(delayMs, callback, false),
  sleep: (delayMs) => new Promise((resolve) => new LongTimeout(delayMs, resolve, true)),
  immediate: (callback) => {
    setImmediate(callback)
  },
}
