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

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  timer(delayMs, callback) {
    const handle = setTimeout(callback, delayMs)
    handle.unref()
    return {
      cancel: () => {
        clearTimeout(handle)
      },
    }
  },
  sleep: (delayMs) => new Promise((resolve) => setTimeout(resolve, delayMs)),
  immediate: (callback) => {
    setImmediate(callback)
  },
}
