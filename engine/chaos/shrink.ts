import type { Fault, FaultSchedule } from '../faults/schedule.ts'
import type { Examined } from './examine.ts'
import type { Golden, Subject } from './subject.ts'
import type { InvariantId } from './violation.ts'
import { assert } from '../base/assert.ts'
import { FIRST_COME } from '../faults/schedule.ts'
import { depthFor, examine } from './examine.ts'
import { withRecordsMax } from './records-max.ts'
import { namedPlaces, simplerActions, simplerPlaces } from './simpler.ts'
import { goldenRun } from './subject.ts'

export interface ShrinkOptions {
  /** How many schedules are tried at most. */
  readonly budget?: number
  /** True when time is up: what was found until then is the answer. */
  readonly isOver?: () => boolean
}

/** The least that was found to break what the given run broke. */
export interface Shrunk {
  readonly schedule: FaultSchedule
  readonly examined: Examined
  /** Records of each split at most; undefined: the input as it is. */
  readonly recordsMax: number | undefined
  /** The job with that input, and what it does without a fault. */
  readonly subject: Subject
  readonly golden: Golden
  readonly tried: number
  /** Time was up before all was tried. */
  readonly isCut: boolean
}

const BUDGET = 400

/**
 * Looks for the simplest schedule that breaks the same invariant: fewer faults (ddmin), simpler
 * actions, earlier places, lower parallelism, smaller input, the plainest order of events, and one
 * fault less in another order; again from the start, until nothing gets simpler or the budget is
 * used up. The same call finds the same.
 */
export async function shrink(
  subject: Subject,
  golden: Golden,
  failing: Examined,
  options: ShrinkOptions = {},
): Promise<Shrunk> {
  return await new Shrinking(subject, golden, failing, options).run()
}

/** The job with its input cut down, as `Shrunk.recordsMax` says. */
export function resized(subject: Subject, recordsMax: number | undefined): Subject {
  if (recordsMax === undefined) return subject
  return { ...subject, job: withRecordsMax(subject.job, recordsMax) }
}

class Shrinking {
  readonly #whole: Subject
  readonly #invariant: InvariantId
  readonly #budget: number
  readonly #isOver: () => boolean
  #subject: Subject
  #golden: Golden
  #recordsMax: number | undefined
  #best: Examined
  /** What was tried, so that a second round does not try it again. */
  readonly #known = new Set<string>()
  #tried = 0
  #isCut = false

  constructor(
    subject: Subject,
    golden: Golden,
    failing: Examined,
    { budget = BUDGET, isOver = () => false }: ShrinkOptions,
  ) {
    const violation = failing.violations[0]
    assert(violation !== undefined, 'only a run that broke something can be shrunk')
    this.#invariant = violation.invariant
    this.#whole = subject
    this.#subject = subject
    this.#golden = golden
    this.#best = failing
    this.#budget = budget
    this.#isOver = isOver
  }

  async run(): Promise<Shrunk> {
    for (let before = ''; before !== this.#key(this.#schedule, this.#recordsMax);) {
      before = this.#key(this.#schedule, this.#recordsMax)
      // What breaks without any fault is the plainest of all.
      await this.#tryFaults([])
      await this.#plainFlow()
      await this.#onlyWhatStruck()
      await this.#fewerFaults()
      await this.#simplerFaults()
      await this.#lowerParallelism()
      await this.#smallerInput()
      await this.#plainestOrder()
      await this.#fewerInOtherOrders()
    }
    return {
      schedule: this.#schedule,
      examined: this.#best,
      recordsMax: this.#recordsMax,
      subject: this.#subject,
      golden: this.#golden,
      tried: this.#tried,
      isCut: this.#isCut,
    }
  }

  get #schedule(): FaultSchedule {
    return this.#best.run.schedule
  }

  async #plainFlow(): Promise<void> {
    const { flow, ...plain } = this.#schedule
    if (flow !== undefined) await this.#try(plain)
  }

  async #onlyWhatStruck(): Promise<void> {
    const { fired } = this.#best.run
    const { faults } = this.#schedule
    if (fired.length < faults.length) await this.#tryFaults(fired.map((index) => faults[index]!))
  }

  /** Zeller's ddmin: parts of the faults, then the faults without a part, in ever smaller parts. */
  async #fewerFaults(): Promise<void> {
    for (let parts = 2; this.#schedule.faults.length > 1;) {
      const { faults } = this.#schedule
      const size = Math.ceil(faults.length / parts)
      if (await this.#tryParts(faults, size)) parts = Math.max(2, parts - 1)
      else if (size === 1) return
      else parts = Math.min(faults.length, parts * 2)
    }
  }

  async #tryParts(faults: readonly Fault[], size: number): Promise<boolean> {
    for (let from = 0; from < faults.length; from += size) {
      if (await this.#tryFaults(faults.slice(from, from + size))) return true
    }
    for (let from = 0; from < faults.length; from += size) {
      if (await this.#tryFaults(faults.toSpliced(from, size))) return true
    }
    return false
  }

  async #simplerFaults(): Promise<void> {
    for (let index = 0; index < this.#schedule.faults.length; index += 1) {
      const fault = (): Fault => this.#schedule.faults[index]!
      await this.#tryEach(index, namedPlaces(fault(), this.#best.run.trace))
      const { point, action } = fault()
      const actions = simplerActions(point, action)
      await this.#tryEach(
        index,
        actions.map((simpler) => ({ ...fault(), action: simpler })),
      )
      while (await this.#tryEach(index, simplerPlaces(fault())));
    }
  }

  /** The first of these that still breaks it takes the fault's place. */
  async #tryEach(index: number, instead: readonly Fault[]): Promise<boolean> {
    for (const fault of instead) {
      if (await this.#tryFaults(this.#schedule.faults.with(index, fault))) return true
    }
    return false
  }

  async #lowerParallelism(): Promise<void> {
    for (let parallelism = 1; parallelism < this.#schedule.parallelism; parallelism += 1) {
      if (await this.#try({ ...this.#schedule, parallelism })) return
    }
  }

  async #smallerInput(): Promise<void> {
    const most = this.#recordsMax ?? RECORDS_MAX
    for (let recordsMax = 1; recordsMax < most; recordsMax *= 2) {
      if (!this.#isNew(this.#schedule, recordsMax)) continue
      const subject = resized(this.#whole, recordsMax)
      const golden = await goldenOrNone(subject, this.#schedule.parallelism)
      if (golden === undefined) continue
      const examined = await this.#breaks(subject, golden, this.#schedule)
      if (examined === undefined) continue
      this.#best = examined
      this.#subject = subject
      this.#golden = golden
      this.#recordsMax = recordsMax
      return
    }
  }

  async #plainestOrder(): Promise<void> {
    if (this.#schedule.seed !== FIRST_COME) await this.#try({ ...this.#schedule, seed: FIRST_COME })
  }

  /** A fault may only have served to bring about an order that comes by chance as well. */
  async #fewerInOtherOrders(): Promise<void> {
    const { faults } = this.#schedule
    if (faults.length < 2) return
    for (const seed of ORDERS) {
      for (let index = 0; index < faults.length; index += 1) {
        const fewer = { ...this.#schedule, seed, faults: faults.toSpliced(index, 1) }
        if (await this.#try(fewer)) return
      }
    }
  }

  #tryFaults(faults: readonly Fault[]): Promise<boolean> {
    return this.#try({ ...this.#schedule, faults })
  }

  async #try(schedule: FaultSchedule): Promise<boolean> {
    if (!this.#isNew(schedule, this.#recordsMax)) return false
    const examined = await this.#breaks(this.#subject, this.#golden, schedule)
    if (examined !== undefined) this.#best = examined
    return examined !== undefined
  }

  /** False when it was tried before, or when nothing more may be tried. */
  #isNew(schedule: FaultSchedule, recordsMax: number | undefined): boolean {
    const key = this.#key(schedule, recordsMax)
    if (this.#tried >= this.#budget || this.#known.has(key)) return false
    this.#isCut ||= this.#isOver()
    if (this.#isCut) return false
    this.#known.add(key)
    return true
  }

  #key(schedule: FaultSchedule, recordsMax: number | undefined): string {
    return JSON.stringify([schedule, recordsMax ?? null])
  }

  async #breaks(
    subject: Subject,
    golden: Golden,
    schedule: FaultSchedule,
  ): Promise<Examined | undefined> {
    this.#tried += 1
    const depth = depthFor(this.#invariant)
    const examined = await examinedOrNone(subject, golden, schedule, depth)
    if (examined === undefined) return undefined
    const isSame = examined.violations.some(({ invariant }) => invariant === this.#invariant)
    return isSame ? examined : undefined
  }
}

/** Seeds that are tried with one fault less. */
const ORDERS = [FIRST_COME, 1, 2, 3] as const

/** Of each split; beyond it a smaller input helps nobody. */
const RECORDS_MAX = 512

/** With this input the job's answer depends on its flow: it breaks nothing. */
async function examinedOrNone(
  subject: Subject,
  golden: Golden,
  schedule: FaultSchedule,
  depth: 'quick' | 'full',
): Promise<Examined | undefined> {
  try {
    return await examine(subject, golden, schedule, { depth })
  } catch (error) {
    if (schedule.flow === undefined) throw error
    return undefined
  }
}

/** A job that cannot do with less has no golden run. */
async function goldenOrNone(subject: Subject, parallelism: number): Promise<Golden | undefined> {
  try {
    return await goldenRun(subject, parallelism)
  } catch {
    return undefined
  }
}
