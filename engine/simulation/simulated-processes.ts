import type { Processes } from '../checkpoint/processes.ts'
import type { TakeLock } from '../checkpoint/owner-lock.ts'

/** What a life needs to know of other processes: its own number, theirs, and the kernel's locks. */
export interface SimulatedProcess {
  readonly processes: Processes
  readonly takeLock: TakeLock
}

/**
 * The processes of a simulated machine, and the locks that they hold. A process is there from
 * `start` to `end`; its locks go with it.
 */
export class SimulatedProcesses {
  readonly #alive = new Map<number, () => void>()
  readonly #holders = new Map<string, number>()
  #last = 1

  /** `onKill`: another process sends it SIGKILL. */
  start(onKill: () => void): SimulatedProcess & { readonly pid: number } {
    this.#last += 1
    const pid = this.#last
    this.#alive.set(pid, onKill)
    return {
      pid,
      processes: {
        pid,
        parentPid: 1,
        inspect: (other) =>
          Promise.resolve(
            this.#alive.has(other) ? { type: 'alive', startTime: String(other) } : { type: 'gone' },
          ),
        kill: (other) => {
          this.#alive.get(other)?.()
        },
      },
      takeLock: (path) => {
        const holder = this.#holders.get(path)
        if (holder !== undefined && this.#alive.has(holder)) return Promise.resolve('locked')
        this.#holders.set(path, pid)
        return Promise.resolve({
          release: () => {
            if (this.#holders.get(path) === pid) this.#holders.delete(path)
            return Promise.resolve()
          },
        })
      },
    }
  }

  end(pid: number): void {
    this.#alive.delete(pid)
  }

  /** Locks that living processes hold. */
  get locks(): readonly string[] {
    return [...this.#holders].filter(([, pid]) => this.#alive.has(pid)).map(([path]) => path)
  }
}
