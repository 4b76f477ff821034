import type { FaultPlace } from './place.ts'
import type { FaultPointName } from './points.ts'
import type { Fault, FaultAction } from './schedule.ts'

/** What struck, and its index in the schedule. */
export interface Strike {
  readonly index: number
  readonly action: FaultAction
}

/**
 * Which faults of a schedule have struck, over all lives of a run.
 *
 * P1. A fault strikes once, whichever thread comes first: counts and marks are cells that all
 *     threads of a process may share.
 * P2. One fault a step: a second one that is due strikes the next time.
 */
export class FaultPlan {
  readonly #faults: readonly Fault[]
  /** Two a fault: how often its place was reached, and 1 when it has struck. */
  readonly #cells: Int32Array
  /** Places of the input whose fault has struck. */
  readonly #demanded = new Set<string>()
  #life = 0

  /** `cells`: those of `FaultPlan.cells`, shared or not. */
  constructor(
    faults: readonly Fault[],
    cells: Int32Array = new Int32Array(FaultPlan.cells(faults)),
  ) {
    this.#faults = faults
    this.#cells = cells
  }

  /** How many cells a schedule takes. */
  static cells(faults: readonly Fault[]): number {
    return 2 * faults.length
  }

  /** What is bound to a life is counted in that life only. */
  beginLife(life: number): void {
    this.#life = life
    for (const [index, fault] of this.#faults.entries()) {
      if (fault.life !== undefined) Atomics.store(this.#cells, 2 * index, 0)
    }
  }

  /** In another thread of a life that has begun. */
  joinLife(life: number): void {
    this.#life = life
  }

  /** The fault that strikes at this step, if one does. */
  strike(point: FaultPointName, place: FaultPlace): Strike | undefined {
    let struck: Strike | undefined
    for (const [index, fault] of this.#faults.entries()) {
      if (this.#hasFired(index) || !this.#isAt(fault, point, place)) continue
      const count = Atomics.add(this.#cells, 2 * index, 1) + 1
      if (count < fault.nth || struck !== undefined) continue
      if (Atomics.compareExchange(this.#cells, 2 * index + 1, 0, 1) !== 0) continue
      struck = { index, action: fault.action }
    }
    return struck
  }

  /** What an earlier process of this run has told: that a step was reached, and what struck. */
  replay(life: number, point: FaultPointName, place: FaultPlace, struck: number | undefined): void {
    this.#life = life
    for (const [index, fault] of this.#faults.entries()) {
      if (this.#isAt(fault, point, place)) Atomics.add(this.#cells, 2 * index, 1)
    }
    if (struck !== undefined) Atomics.store(this.#cells, 2 * struck + 1, 1)
  }

  /** Whether a fault that the input asks for strikes: the first time that it is asked for. */
  demand({ uid, what }: FaultPlace): boolean {
    const key = JSON.stringify([uid, what])
    if (this.#demanded.has(key)) return false
    this.#demanded.add(key)
    return true
  }

  /** How many faults that the input asks for have struck. */
  get demanded(): number {
    return this.#demanded.size
  }

  /** Indexes of the faults that have struck. */
  get fired(): readonly number[] {
    return this.#faults.flatMap((_, index) => (this.#hasFired(index) ? [index] : []))
  }

  #hasFired(index: number): boolean {
    return Atomics.load(this.#cells, 2 * index + 1) === 1
  }

  #isAt({ point, where, life }: Fault, reached: FaultPointName, place: FaultPlace): boolean {
    if (point !== 'any' && point !== reached) return false
    if (life !== undefined && life !== this.#life) return false
    if (where?.uid !== undefined && where.uid !== place.uid) return false
    return where?.subtask === undefined || where.subtask === place.subtask
  }
}
