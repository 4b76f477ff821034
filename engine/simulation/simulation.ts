import type { Files } from '../base/files.ts'
import type { Random } from '../base/random.ts'
import type { RunSummary } from '../job/protocol.ts'
import { assert } from '../base/assert.ts'
import { asStreamError } from '../base/errors.ts'
import { silentLogger } from '../base/logger.ts'
import { seededRandom } from '../base/random.ts'
import { MemoryDisk, type DiskFault } from './memory-files.ts'
import { SeededScheduler } from './seeded-scheduler.ts'
import {
  SimulatedLife,
  type LifeOutcome,
  type LifePlace,
  type SimulatedJob,
  type UserRequest,
} from './simulated-life.ts'
import { SimulatedProcesses } from './simulated-processes.ts'

export interface SimulationOptions extends SimulatedJob {
  /** Parallelism of each life; all but the last end in a crash or a power loss. */
  readonly parallelisms: readonly number[]
  readonly seed: number
  /** A life ends at a random step up to here. */
  readonly stepsMax: number
  /** Whether some lives are asked to stop, or for a savepoint, at a step of theirs. */
  readonly stops?: boolean
  /** Whether all but the last life meet calls of the disk that fail. */
  readonly faults?: boolean
  /** Fills the disk before the first life: input files. */
  readonly prepare?: (files: Files) => Promise<void>
}

export interface SimulationReport {
  readonly disk: MemoryDisk
  readonly summary: RunSummary
  /** How each life ended, for the message of a failing test. */
  readonly history: readonly string[]
  readonly steps: number
}

/**
 * Runs a job through several lives in one thread: the tasks, master, coordinator, committers and
 * connectors of production, over a simulated disk and a virtual clock, in an order of events that
 * the seed decides. Each call of the disk is an event of its own; some take long. The same seed
 * gives the same run.
 */
export async function simulateJob(options: SimulationOptions): Promise<SimulationReport> {
  const random = seededRandom(options.seed)
  let scheduler: SeededScheduler | undefined
  const disk = new MemoryDisk({
    survivors: seededRandom(options.seed + 1),
    gate: () => turnOf(scheduler, random),
  })
  await options.prepare?.(disk.files())
  const history: string[] = []
  let startMs = Date.UTC(2026, 0, 1)
  let steps = 0
  let place: LifePlace = { workDir: '/work' }
  const processes = new SimulatedProcesses()
  for (const parallelism of options.parallelisms.slice(0, -1)) {
    const life = new SteppedLife(options, disk, random, processes, {
      ...place,
      parallelism,
      startMs,
    })
    scheduler = life.scheduler
    disk.fault = options.faults === true ? () => faultOf(random) : undefined
    const limit = random.int(options.stepsMax)
    let ended = await life.run(limit)
    if (ended === undefined && options.stops === true) {
      history.push(`p${parallelism} ${life.ask(random)} after ${limit} steps`)
      ended = await life.run(random.int(options.stepsMax))
    }
    steps += life.scheduler.steps
    startMs = life.scheduler.nowMs() + 1_000
    history.push(`p${parallelism} ${endLife(disk, ended, random)} after ${limit} steps`)
    await life.abandon()
    place = placeAfter(ended, place, history.length)
  }
  disk.fault = undefined
  const parallelism = options.parallelisms.at(-1)!
  const last = new SteppedLife(options, disk, random, processes, { ...place, parallelism, startMs })
  scheduler = last.scheduler
  const ended = await last.run(Infinity)
  if (ended === undefined || 'error' in ended) throw ended?.error
  // The test reads what is there, in its own time.
  scheduler = undefined
  return { disk, summary: ended.summary, history, steps: steps + last.scheduler.steps }
}

/** A job that has stopped with a savepoint goes on from it, somewhere else. */
function placeAfter(ended: LifeOutcome | undefined, place: LifePlace, number: number): LifePlace {
  if (ended === undefined || 'error' in ended || ended.summary.status !== 'stopped') return place
  const { savepoint } = ended.summary
  return savepoint === undefined ? place : { workDir: `/work-${number}`, from: savepoint }
}

/** When a call of the disk takes effect: mostly soon, at times much later. */
async function turnOf(scheduler: SeededScheduler | undefined, random: Random): Promise<void> {
  if (scheduler === undefined) return
  if (random.int(SLOW_CALL) === 0) await scheduler.sleep(random.int(SLOW_CALL_MS))
  else await new Promise<void>((turn) => scheduler.immediate(turn))
}

function faultOf(random: Random): DiskFault | undefined {
  if (random.int(FAULTY_CALL) > 0) return undefined
  return { errno: random.int(2) === 0 ? 'ENOSPC' : 'EIO', done: random.int(4) === 0 }
}

/** Ends a life that has not come to its end; says how it ended. A failure has to be a mild one. */
function endLife(disk: MemoryDisk, ended: LifeOutcome | undefined, random: Random): string {
  if (ended === undefined) {
    if (random.int(2) === 0) {
      disk.crash()
      return 'crash'
    }
    disk.powerLoss()
    return 'power loss'
  }
  if ('summary' in ended) return `${ended.summary.status} by itself`
  const error = asStreamError(ended.error)
  if (error.consequence.then === 'fail' || error.consequence.exit === EXIT_BUG) throw error
  disk.crash()
  return error.code
}

/** One in so many calls of the disk takes up to so long. */
const SLOW_CALL = 40
const SLOW_CALL_MS = 60
const EXIT_BUG = 70
/** One in so many fails. */
const FAULTY_CALL = 300

const REQUESTS: readonly UserRequest[] = ['savepoint', 'stop-with-savepoint', 'stop', 'stop']

/** A life with a scheduler of its own, run step by step. */
class SteppedLife {
  readonly scheduler: SeededScheduler
  readonly #life: SimulatedLife
  readonly #end: () => void
  #isBegun = false

  constructor(
    options: SimulationOptions,
    disk: MemoryDisk,
    random: Random,
    processes: SimulatedProcesses,
    place: LifePlace & { readonly parallelism: number; readonly startMs: number },
  ) {
    this.scheduler = new SeededScheduler(random, place.startMs)
    const process = processes.start(() => undefined)
    this.#end = () => {
      processes.end(process.pid)
    }
    const doors = { clock: this.scheduler, random, files: disk.files(), logger: silentLogger }
    this.#life = new SimulatedLife(options, place.parallelism, place, process, doors)
  }

  /** Runs up to `limit` more steps; how the life has ended when it has before. */
  async run(limit: number): Promise<LifeOutcome | undefined> {
    if (!this.#isBegun) {
      await this.#life.load()
      this.#life.begin()
    }
    this.#isBegun = true
    for (let step = 0; step < limit && this.#outcome() === undefined; step += 1) {
      const isAlive = await this.scheduler.step()
      assert(isAlive || this.#outcome() !== undefined, 'the simulation stands still')
    }
    return this.#outcome()
  }

  #outcome(): LifeOutcome | undefined {
    return this.#life.outcome
  }

  /** Asks for a stop or a savepoint, as a user does at any time; returns what it was. */
  ask(random: Random): string {
    const request = REQUESTS[random.int(REQUESTS.length)]!
    return this.#life.ask(request) ? request : 'asked too early'
  }

  abandon(): Promise<void> {
    this.#end()
    return this.#life.abandon()
  }
}
