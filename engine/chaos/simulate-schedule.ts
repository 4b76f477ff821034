import { resolve } from 'node:path'
import type { ErrorData } from '../base/errors.ts'
import type { TraceEvent } from '../faults/trace.ts'
import type { JobPlan } from '../job/job-plan.ts'
import type { RunSummary } from '../job/protocol.ts'
import type { LifePlace } from '../simulation/simulated-life.ts'
import type {
  LifeRecord,
  LogLine,
  ProcessRecord,
  ScheduleRun,
  SimulateOptions,
} from './schedule-run.ts'
import { StreamError } from '../base/errors.ts'
import { makeDirectories } from '../base/files.ts'
import { seededRandom, type Random } from '../base/random.ts'
import { FaultPlan } from '../faults/fault-plan.ts'
import { FIRST_COME } from '../faults/schedule.ts'
import { traceHash } from '../faults/trace.ts'
import { MemoryDisk, type MemoryDiskOptions } from '../simulation/memory-files.ts'
import { SeededScheduler, type TurnOrder } from '../simulation/seeded-scheduler.ts'
import { SimulatedProcesses } from '../simulation/simulated-processes.ts'
import { DiskHistory } from './disk-history.ts'
import { RunningLife } from './running-life.ts'
import { TimerHistory } from './timer-history.ts'

const STEPS_MAX = 200_000
/** When a run begins, by its own clock. */
export const START_MS = Date.UTC(2026, 0, 1)
/** From the end of a life to the start of the next. */
const RESTART_MS = 1_000
/** One in so many calls of the disk takes up to so long. */
const SLOW_CALL = 40
const SLOW_CALL_MS = 60

/**
 * Runs a job under a schedule of faults, through as many lives as it takes to its end, in one
 * thread: the tasks, master, coordinator, committers and connectors of production, over a simulated
 * disk and a virtual clock. The same schedule gives the same run, step for step.
 */
export async function simulateSchedule(options: SimulateOptions): Promise<ScheduleRun> {
  return await new Simulation(options).run()
}

class Simulation {
  readonly #options: SimulateOptions
  readonly #random: Random
  readonly #turns: TurnOrder
  readonly #disk: MemoryDisk
  readonly #processes: SimulatedProcesses
  readonly #history: DiskHistory
  readonly #timers = new TimerHistory()
  readonly #plan: FaultPlan
  readonly #trace: TraceEvent[] = []
  readonly #logs: LogLine[] = []
  readonly #lives: LifeRecord[] = []
  readonly #refusals: string[] = []
  readonly #started: ProcessRecord[] = []
  /** The job, as the last life has planned it. */
  #job: JobPlan | undefined
  #scheduler: SeededScheduler | undefined
  #steps = 0
  #nowMs = START_MS

  constructor(options: SimulateOptions) {
    const { schedule } = options
    this.#options = options
    this.#random = seededRandom(schedule.seed)
    this.#turns = schedule.seed === FIRST_COME ? 'arrival' : 'chance'
    this.#plan = new FaultPlan(schedule.faults)
    const diskOptions: MemoryDiskOptions = {
      survivors: this.#turns === 'arrival' ? 'none' : seededRandom(schedule.seed + 1),
      gate: () => this.#turn(),
    }
    this.#disk = options.disk?.clone(diskOptions) ?? new MemoryDisk(diskOptions)
    this.#processes = options.processes ?? new SimulatedProcesses()
    this.#history = new DiskHistory(this.#disk, options.auditEvery ?? 0)
  }

  async run(): Promise<ScheduleRun> {
    const { schedule, prepare, onLifeEnd } = this.#options
    // As everywhere, the folder is there in which the job was started.
    await makeDirectories(this.#disk.files(), resolve('.'))
    await prepare?.(this.#disk.files())
    let parallelism = schedule.parallelism
    let place: LifePlace = { workDir: this.#options.workDir ?? '/work' }
    // Each fault ends one life at most; a life that no fault ended and that fails is tried again.
    const besides = schedule.faults.length + LIVES_BESIDES
    while (this.#lives.length < besides + this.#plan.demanded) {
      const record = await this.#live(parallelism, place)
      this.#lives.push(record.life)
      this.#history.auditNow(this.#steps)
      await onLifeEnd?.(this.#disk, record.life)
      const { ended } = record.life
      if (ended.type === 'finished' || ended.type === 'stuck') break
      if (ended.type === 'failed' && isForGood(ended.error)) break
      if (ended.type === 'stopped') place = placeAfter(ended.summary, place, this.#lives.length)
      parallelism = record.nextParallelism
    }
    const { fired } = this.#plan
    const trace = this.#trace
    return {
      schedule,
      disk: this.#disk,
      plan: this.#job!,
      lives: this.#lives,
      trace,
      get hash() {
        return traceHash(trace)
      },
      fired,
      logs: this.#logs,
      refusals: this.#refusals,
      processes: this.#started,
      history: this.#history,
      timers: this.#timers,
      locks: this.#processes.locks,
    }
  }

  async #live(
    parallelism: number,
    place: LifePlace,
  ): Promise<{ readonly life: LifeRecord; readonly nextParallelism: number }> {
    const life = this.#lives.length + 1
    this.#plan.beginLife(life)
    const scheduler = new SeededScheduler(this.#random, this.#nowMs, this.#turns)
    this.#scheduler = scheduler
    const fromMs = this.#nowMs - START_MS
    this.#tell(life, 'life.begin', scheduler)
    const running = new RunningLife({
      options: this.#options,
      parallelism,
      place,
      life,
      scheduler,
      random: this.#random,
      disk: this.#disk,
      processes: this.#processes,
      history: this.#history,
      timers: this.#timers,
      plan: this.#plan,
      trace: this.#trace,
      logs: this.#logs,
      refusals: this.#refusals,
      started: this.#started,
      startMs: START_MS,
      steps: this.#steps,
    })
    await running.load()
    this.#job = running.plan
    const ended = await running.run(this.#options.stepsMax ?? STEPS_MAX)
    this.#tell(life, 'life.end', scheduler, ended.type)
    this.#steps += scheduler.steps
    this.#nowMs = Math.max(scheduler.monotonicMs() + fromMs + START_MS, this.#nowMs) + RESTART_MS
    // What looks at the disk between two lives waits for nobody's turn.
    this.#scheduler = undefined
    await running.abandon(ended)
    return {
      life: {
        life,
        parallelism,
        workDir: place.workDir,
        ended,
        fromMs,
        toMs: scheduler.monotonicMs() + fromMs,
        steps: scheduler.steps,
        process: running.process,
      },
      nextParallelism: running.nextParallelism,
    }
  }

  #tell(
    life: number,
    point: 'life.begin' | 'life.end',
    scheduler: SeededScheduler,
    what?: string,
  ): void {
    const step = this.#steps + (point === 'life.begin' ? 0 : scheduler.steps)
    const atMs = scheduler.monotonicMs() + this.#nowMs - START_MS
    const place = what === undefined ? {} : { what }
    this.#trace.push({ step, atMs, life, point, place })
  }

  /** When a call of the disk takes effect: mostly soon, at times much later. */
  async #turn(): Promise<void> {
    const scheduler = this.#scheduler
    if (scheduler === undefined) return
    const isSlow = this.#turns === 'chance' && this.#random.int(SLOW_CALL) === 0
    if (isSlow) await scheduler.sleep(this.#random.int(SLOW_CALL_MS))
    else await new Promise<void>((turn) => scheduler.immediate(turn))
  }
}

/** Lives that end by themselves, because a step was made to fail. */
const LIVES_BESIDES = 6

/** No restart strategy would try it again. */
function isForGood(error: ErrorData): boolean {
  const { then, exit } = StreamError.fromData(error).consequence
  return then === 'fail' || exit === EXIT_BUG
}

const EXIT_BUG = 70

/** A job that has stopped with a savepoint goes on from it, somewhere else. */
function placeAfter({ savepoint }: RunSummary, place: LifePlace, number: number): LifePlace {
  if (savepoint === undefined) return { workDir: place.workDir }
  return { workDir: `/work-${number}`, from: savepoint }
}
