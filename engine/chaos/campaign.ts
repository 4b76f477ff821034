import type { Clock } from '../base/clock.ts'
import type { FaultPointName } from '../faults/points.ts'
import type { FaultSchedule } from '../faults/schedule.ts'
import type { Examined } from './examine.ts'
import type { RareState } from './rare-states.ts'
import type { ScheduleRun } from './schedule-run.ts'
import type { Golden, Subject } from './subject.ts'
import { isFaultPoint } from '../faults/points.ts'
import { examine } from './examine.ts'
import { rareStatesOf } from './rare-states.ts'

export interface CampaignOptions {
  readonly subject: Subject
  readonly golden: Golden
  readonly schedules: Iterable<FaultSchedule> | AsyncIterable<FaultSchedule>
  /** Of the machine: a campaign takes real time. */
  readonly clock: Clock
  readonly budgetMs?: number
  /** It ends after so many failing schedules; each is worth a look of its own. */
  readonly failuresMax?: number
  /** Aborted when nobody wants more; the schedule that runs is finished. */
  readonly signal?: AbortSignal
  /** Called before each schedule, with what was done so far. */
  readonly onSchedule?: (schedule: FaultSchedule, soFar: Campaign) => void
}

/** `all`: every schedule was tried; `running`: it has not ended yet. */
export type CampaignEnd = 'all' | 'budget' | 'failures' | 'signal' | 'running'

/** What a campaign has done so far. */
export interface Campaign {
  readonly schedules: number
  readonly lives: number
  /** Faults that struck, by their action. */
  readonly faults: ReadonlyMap<string, number>
  readonly reached: ReadonlyMap<FaultPointName, number>
  /** Points at which something was done. */
  readonly struck: ReadonlyMap<FaultPointName, number>
  /** Schedules of which no fault struck: they proved nothing. */
  readonly idle: number
  readonly checkpoints: number
  /** How many schedules came to each rare state. */
  readonly rare: ReadonlyMap<RareState, number>
  /** Of each life after the first: from its start to the first record, in ms of its own clock. */
  readonly recoveryMs: readonly number[]
  readonly failing: readonly Examined[]
  readonly elapsedMs: number
  readonly endedBy: CampaignEnd
}

const FAILURES_MAX = 3

/** Runs schedules against a job, one after another, and gathers what came of them. */
export async function runCampaign(options: CampaignOptions): Promise<Campaign> {
  const { subject, golden, clock, budgetMs = Infinity } = options
  const startedMs = clock.monotonicMs()
  const tally = new Tally()
  const elapsedMs = (): number => clock.monotonicMs() - startedMs
  for await (const schedule of options.schedules) {
    const endedBy = endOf(options, tally, elapsedMs() >= budgetMs)
    if (endedBy !== undefined) return tally.sum(elapsedMs(), endedBy)
    options.onSchedule?.(schedule, tally.sum(elapsedMs(), 'running'))
    tally.add(await examine(subject, golden, schedule))
  }
  return tally.sum(elapsedMs(), 'all')
}

function endOf(
  { signal, failuresMax = FAILURES_MAX }: CampaignOptions,
  { failing }: Tally,
  isLate: boolean,
): CampaignEnd | undefined {
  if (signal?.aborted === true) return 'signal'
  if (failing.length >= failuresMax) return 'failures'
  return isLate ? 'budget' : undefined
}

class Tally {
  readonly failing: Examined[] = []
  readonly #faults = new Map<string, number>()
  readonly #reached = new Map<FaultPointName, number>()
  readonly #struck = new Map<FaultPointName, number>()
  readonly #rare = new Map<RareState, number>()
  readonly #recoveryMs: number[] = []
  #schedules = 0
  #lives = 0
  #idle = 0
  #checkpoints = 0

  add(examined: Examined): void {
    const { run, violations } = examined
    this.#schedules += 1
    this.#lives += run.lives.length
    if (run.fired.length === 0) this.#idle += 1
    if (violations.length > 0) this.failing.push(examined)
    for (const { point, fault } of run.trace) {
      if (!isFaultPoint(point)) continue
      increment(this.#reached, point)
      if (point === 'coordinator.written') this.#checkpoints += 1
      if (fault === undefined) continue
      increment(this.#struck, point)
      increment(this.#faults, fault.type)
    }
    for (const state of rareStatesOf(run)) increment(this.#rare, state)
    this.#recoveryMs.push(...recoveryTimes(run))
  }

  sum(elapsedMs: number, endedBy: CampaignEnd): Campaign {
    return {
      schedules: this.#schedules,
      lives: this.#lives,
      faults: this.#faults,
      reached: this.#reached,
      struck: this.#struck,
      idle: this.#idle,
      checkpoints: this.#checkpoints,
      rare: this.#rare,
      recoveryMs: this.#recoveryMs,
      failing: this.failing,
      elapsedMs,
      endedBy,
    }
  }
}

function recoveryTimes({ trace }: ScheduleRun): readonly number[] {
  const times: number[] = []
  let begunMs: number | undefined
  for (const { point, life, atMs } of trace) {
    if (point === 'life.begin') begunMs = life === 1 ? undefined : atMs
    if (point !== 'master.start' || begunMs === undefined) continue
    times.push(atMs - begunMs)
    begunMs = undefined
  }
  return times
}

function increment<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}
