import type { FaultPointName } from '../faults/points.ts'
import type { Fault, FaultAction, FaultSchedule } from '../faults/schedule.ts'
import type { FaultKind } from './actions.ts'
import type { Golden, Subject } from './subject.ts'
import { isFaultPoint } from '../faults/points.ts'
import { actionsAt, faultKinds } from './actions.ts'
import { simulateSchedule } from './simulate-schedule.ts'

/** Of each point, so many occurrences are tried. */
export const OCCURRENCES = 3

export interface ExhaustOptions {
  readonly seed: number
  readonly parallelism: number
  readonly kinds: readonly FaultKind[]
}

/**
 * Every single fault: each point that the job reaches × occurrence × action. The first occurrence
 * of every point comes before the second of any, and one action at all points before the next, so
 * that a search that is cut short has been everywhere.
 */
export function singleFaults(golden: Golden, options: ExhaustOptions): readonly FaultSchedule[] {
  const { seed, parallelism } = options
  const points = [...golden.reached].map(([point, often]) => {
    return { point, often, actions: allowedAt(point, options.kinds) }
  })
  const schedules: FaultSchedule[] = []
  for (let nth = 1; nth <= OCCURRENCES; nth += 1) {
    const reached = points.filter(({ often }) => often >= nth)
    const actionsMax = Math.max(0, ...reached.map(({ actions }) => actions.length))
    for (let index = 0; index < actionsMax; index += 1) {
      for (const { point, actions } of reached) {
        const action = actions[index]
        if (action === undefined) continue
        schedules.push({ seed, parallelism, faults: [{ point, nth, action }] })
      }
    }
  }
  return schedules
}

export interface PairOptions extends ExhaustOptions {
  /** Of the first faults, each of which takes a run of its own, only every so many-th is tried. */
  readonly firsts?: { readonly every: number; readonly from: number }
}

/** What comes after a first fault; how many there are is known when each of those has run. */
export interface FaultPairs extends AsyncIterable<FaultSchedule> {
  /** Of all pairs; undefined while first faults are left that have not run. */
  readonly total: number | undefined
}

/**
 * Every ordered pair of points, the second during the recovery from the first: the first ends a
 * life, the second strikes in the next one before its first checkpoint is committed. One pair of
 * each first fault comes before the second pair of any.
 */
export function faultPairs(subject: Subject, golden: Golden, options: PairOptions): FaultPairs {
  return new Pairs(subject, golden, options)
}

class Pairs implements FaultPairs {
  readonly #subject: Subject
  readonly #golden: Golden
  readonly #options: PairOptions
  total: number | undefined

  constructor(subject: Subject, golden: Golden, options: PairOptions) {
    this.#subject = subject
    this.#golden = golden
    this.#options = options
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<FaultSchedule> {
    const lists: (readonly FaultSchedule[])[] = []
    const { every, from } = this.#options.firsts ?? { every: 1, from: 0 }
    const firsts = [...this.#golden.reached].filter((_, index) => (index + from) % every === 0)
    for (const [point, often] of firsts) {
      // The middle of a run has a checkpoint to go back to.
      const first: Fault = { point, nth: Math.ceil(often / 2), life: 1, action: { type: 'crash' } }
      const pairs = await this.#pairsOf(first, lists.length)
      lists.push(pairs)
      if (pairs[0] !== undefined) yield pairs[0]
    }
    this.total = lists.reduce((sum, { length }) => sum + length, 0)
    const longest = Math.max(0, ...lists.map(({ length }) => length))
    for (let index = 1; index < longest; index += 1) {
      for (const pairs of lists) if (pairs[index] !== undefined) yield pairs[index]!
    }
  }

  /** Each first fault begins elsewhere in its recovery. */
  async #pairsOf(first: Fault, turn: number): Promise<readonly FaultSchedule[]> {
    const { seed, parallelism } = this.#options
    const schedule = { seed, parallelism, faults: [first] }
    const run = await simulateSchedule({ ...this.#subject, schedule })
    const recovered = new Set<FaultPointName>()
    for (const { life, point: reached } of run.trace) {
      if (life !== 2 || !isFaultPoint(reached)) continue
      recovered.add(reached)
      if (reached === 'coordinator.committed') break
    }
    const points = [...recovered]
    return points.map((_, index) => {
      const second = points[(index + turn) % points.length]!
      const fault: Fault = { point: second, nth: 1, life: 2, action: endingAt(second) }
      return { seed, parallelism, faults: [first, fault] }
    })
  }
}

/** The harshest end that a point allows. */
function endingAt(point: FaultPointName): FaultAction {
  const types = actionsAt(point)
  return types.find(({ type }) => type === 'power-loss') ?? { type: 'crash' }
}

function allowedAt(point: FaultPointName, kinds: readonly FaultKind[]): readonly FaultAction[] {
  const allowed = new Set<string>(kinds.flatMap((kind) => faultKinds[kind]))
  return actionsAt(point).filter(({ type }) => allowed.has(type))
}
