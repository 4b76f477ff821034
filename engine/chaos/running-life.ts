import type { Doors } from '../base/doors.ts'
import type { Logger } from '../base/logger.ts'
import type { JobPlan } from '../job/job-plan.ts'
import type { Random } from '../base/random.ts'
import type { MemoryDisk } from '../simulation/memory-files.ts'
import type { SeededScheduler } from '../simulation/seeded-scheduler.ts'
import type { SimulatedProcesses } from '../simulation/simulated-processes.ts'
import type { FaultPlan } from '../faults/fault-plan.ts'
import type { LifeEnding } from '../faults/striking-probe.ts'
import type { TraceEvent } from '../faults/trace.ts'
import type { DiskHistory } from './disk-history.ts'
import type { TimerHistory } from './timer-history.ts'
import type { ChaosWorld } from './chaos-probe.ts'
import type {
  LifeRecord,
  LogLine,
  ProcessEnd,
  ProcessRecord,
  SimulateOptions,
} from './schedule-run.ts'
import { asStreamError } from '../base/errors.ts'
import { probedFiles } from '../faults/probed-files.ts'
import {
  SimulatedLife,
  type LifeOutcome,
  type LifePlace,
  type UserRequest,
} from '../simulation/simulated-life.ts'
import { ChaosProbe } from './chaos-probe.ts'

export interface RunningParts {
  readonly options: SimulateOptions
  readonly parallelism: number
  readonly place: LifePlace
  readonly life: number
  readonly scheduler: SeededScheduler
  readonly random: Random
  readonly disk: MemoryDisk
  readonly processes: SimulatedProcesses
  readonly history: DiskHistory
  readonly timers: TimerHistory
  readonly plan: FaultPlan
  readonly trace: TraceEvent[]
  readonly logs: LogLine[]
  readonly refusals: string[]
  /** Every process that was started. */
  readonly started: ProcessRecord[]
  readonly startMs: number
  /** Of the lives before. */
  readonly steps: number
}

/** One life under a schedule, or two, when a twin is started beside it. */
export class RunningLife implements ChaosWorld {
  readonly #parts: RunningParts
  readonly #fromMs: number
  #current: Started
  #twin: Started | undefined
  #ending: LifeEnding | { readonly type: 'taken-over' } | undefined
  #twins = 0
  nextParallelism: number

  constructor(parts: RunningParts) {
    this.#parts = parts
    this.#fromMs = parts.scheduler.nowMs() - parts.startMs
    this.nextParallelism = parts.parallelism
    this.#current = this.#start(parts.place)
  }

  /** Before its first step: what takes time of the machine's own. */
  load(): Promise<void> {
    return this.#current.life.load()
  }

  async run(stepsMax: number): Promise<LifeRecord['ended']> {
    const { scheduler } = this.#parts
    this.#current.life.begin()
    for (let step = 0; step < stepsMax; step += 1) {
      if (this.#ending !== undefined) return { type: this.#ending.type }
      const outcome = this.#outcome()
      if (outcome !== undefined && this.#twin === undefined) return endOf(outcome)
      this.#watchTwin(outcome !== undefined)
      let isAlive: boolean
      try {
        isAlive = await scheduler.step()
      } catch (error) {
        // Thrown into the event loop: the process dies of it.
        return { type: 'failed', error: asStreamError(error).toData() }
      }
      if (!isAlive && this.#outcome() === undefined && !this.#isEnding()) return { type: 'stuck' }
    }
    return { type: 'stuck' }
  }

  #outcome(): LifeOutcome | undefined {
    return this.#current.life.outcome
  }

  #isEnding(): boolean {
    return this.#ending !== undefined
  }

  async abandon(ended: LifeRecord['ended']): Promise<void> {
    const { disk, processes } = this.#parts
    this.#current.record.ended = processEnd(ended)
    for (const started of [this.#current, this.#twin]) {
      if (started === undefined) continue
      started.probe.die()
      processes.end(started.pid)
      await started.life.abandon()
    }
    if (ended.type === 'power-loss' || ended.type === 'torn') disk.powerLoss()
    else disk.crash()
  }

  /** Of the process that lives, or lived last. */
  get plan(): JobPlan {
    return this.#current.life.plan
  }

  /** The process that lives, or lived last. */
  get process(): number {
    return this.#current.pid
  }

  get step(): number {
    return this.#parts.steps + this.#parts.scheduler.steps
  }

  nowMs(): number {
    return this.#parts.scheduler.monotonicMs() + this.#fromMs
  }

  sleep(ms: number): Promise<void> {
    return this.#parts.scheduler.sleep(ms)
  }

  timer(ms: number, callback: () => void): void {
    this.#parts.scheduler.timer(ms, callback)
  }

  end(how: LifeEnding): void {
    this.#ending = how
    if (how.type === 'rescale') this.nextParallelism = how.parallelism
    this.#parts.disk.crash()
  }

  pause(ms: number): void {
    this.#parts.scheduler.pause(ms)
  }

  moveClock(ms: number): void {
    this.#parts.scheduler.moveClock(ms)
  }

  startTwin(takeOver: boolean): void {
    if (this.#twin !== undefined) return
    this.#twins += 1
    this.#twin = this.#start({ ...this.#parts.place, takeOver })
    this.#twin.life.begin()
  }

  ask(request: UserRequest): void {
    this.#current.life.ask(request)
  }

  /** A twin that was refused is gone; one that has outlived the first is the life from now on. */
  #watchTwin(isFirstOver: boolean): void {
    const twin = this.#twin
    if (twin === undefined) return
    const { outcome } = twin.life
    if (outcome !== undefined && 'error' in outcome) {
      const error = asStreamError(outcome.error).toData()
      this.#parts.refusals.push(error.code)
      twin.record.ended = { type: 'failed', error }
      this.#parts.processes.end(twin.pid)
      this.#twin = undefined
    } else if (isFirstOver) {
      this.#current.record.ended = processEnd(endOf(this.#outcome()!))
      this.#parts.processes.end(this.#current.pid)
      this.#current = twin
      this.#twin = undefined
    }
  }

  #start(place: LifePlace): Started {
    const { options, parallelism, life, scheduler, random, disk, processes, plan, trace, logs } =
      this.#parts
    const { history, timers } = this.#parts
    const killed = (): void => {
      probe.die()
      disk.crash(files)
      processes.end(process.pid)
      if (this.#twin === undefined) this.#ending = { type: 'taken-over' }
      else this.#current = this.#twin
      this.#twin = undefined
    }
    const process = processes.start(killed)
    const step = (): number => this.step
    const struck: TraceEvent[] = []
    const record: Started['record'] = {
      ...{ process: process.pid, life, struck },
      ended: { type: 'from-outside' },
    }
    this.#parts.started.push(record)
    const told = { trace, struck, timers: timers.recorder(process.pid, step) }
    const probe = new ChaosProbe(plan, this, life, told)
    const files = disk.files(history.observer(life, process.pid, step))
    const doors: Doors = {
      clock: scheduler,
      random,
      files: probedFiles(files, probe),
      logger: recorder(life, process.pid, step, logs),
      faults: probe,
    }
    const given = options.doors?.(doors) ?? doors
    return {
      life: new SimulatedLife(
        { ...options, ...options.schedule.flow },
        parallelism,
        place,
        process,
        given,
      ),
      probe,
      pid: process.pid,
      record,
    }
  }
}

interface Started {
  readonly life: SimulatedLife
  readonly probe: ChaosProbe
  readonly pid: number
  readonly record: ProcessRecord & { ended: ProcessEnd }
}

function recorder(life: number, process: number, step: () => number, logs: LogLine[]): Logger {
  const at =
    (level: LogLine['level']) =>
    (fields: Readonly<Record<string, unknown>>, message: string): void => {
      logs.push({ step: step(), life, process, level, fields, message })
    }
  return { error: at('error'), warn: at('warn'), info: at('info'), debug: at('debug') }
}

function endOf(outcome: LifeOutcome): LifeRecord['ended'] {
  if ('error' in outcome) return { type: 'failed', error: asStreamError(outcome.error).toData() }
  const { summary } = outcome
  return { type: summary.status === 'stopped' ? 'stopped' : 'finished', summary }
}

function processEnd(ended: LifeRecord['ended']): ProcessEnd {
  if (ended.type === 'failed') return ended
  return { type: ended.type === 'finished' || ended.type === 'stopped' ? 'done' : 'from-outside' }
}
