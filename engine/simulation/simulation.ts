import type { Doors } from '../base/doors.ts'
import type { Random } from '../base/random.ts'
import type { JobPlan } from '../job/job-plan.ts'
import type { RunSummary } from '../job/protocol.ts'
import type { WorkerHandle } from '../worker/worker-handle.ts'
import { assert } from '../base/assert.ts'
import { asStreamError } from '../base/errors.ts'
import { silentLogger } from '../base/logger.ts'
import { seededRandom } from '../base/random.ts'
import { toJobGraph } from '../graph/chaining.ts'
import { jobDefinition } from '../graph/job-definition.ts'
import { planHash } from '../graph/plan.ts'
import { beginLife, type JobLife } from '../job/job-life.ts'
import { spawnInThread } from '../worker/in-thread.ts'
import { MemoryDisk, type DiskFault } from './memory-files.ts'
import { SeededScheduler } from './seeded-scheduler.ts'

export interface SimulationOptions {
  readonly job: unknown
  readonly parameters: Readonly<Record<string, unknown>>
  /** Parallelism of each life; all but the last end in a crash or a power loss. */
  readonly parallelisms: readonly number[]
  readonly seed: number
  /** A life ends at a random step up to here. */
  readonly stepsMax: number
  /** Whether some lives are asked to stop, or for a savepoint, at a step of theirs. */
  readonly stops?: boolean
  /** Whether all but the last life meet calls of the disk that fail. */
  readonly faults?: boolean
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
  const history: string[] = []
  let startMs = Date.UTC(2026, 0, 1)
  let steps = 0
  let place: Place = { workDir: '/work' }
  for (const parallelism of options.parallelisms.slice(0, -1)) {
    const life = new SimulatedLife(options, disk, random, { ...place, parallelism, startMs })
    scheduler = life.scheduler
    disk.fault = options.faults === true ? () => faultOf(random) : undefined
    const limit = random.int(options.stepsMax)
    let ended = await life.run(limit)
    if (ended === undefined && options.stops === true) {
      history.push(`p${parallelism} ${life.ask(random.int(4))} after ${limit} steps`)
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
  const last = new SimulatedLife(options, disk, random, { ...place, parallelism, startMs })
  scheduler = last.scheduler
  const ended = await last.run(Infinity)
  if (ended === undefined || 'error' in ended) throw ended?.error
  // The test reads what is there, in its own time.
  scheduler = undefined
  return { disk, summary: ended.summary, history, steps: steps + last.scheduler.steps }
}

/** Where a life works, and the savepoint that it begins with. */
interface Place {
  readonly workDir: string
  readonly from?: string
}

/** A job that has stopped with a savepoint goes on from it, somewhere else. */
function placeAfter(ended: Outcome | undefined, place: Place, number: number): Place {
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
function endLife(disk: MemoryDisk, ended: Outcome | undefined, random: Random): string {
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

type Outcome = { readonly summary: RunSummary } | { readonly error: unknown }

class SimulatedLife {
  readonly scheduler: SeededScheduler
  readonly #options: SimulationOptions
  readonly #doors: Doors
  readonly #place: Place & { readonly parallelism: number }
  #workers: readonly WorkerHandle[] = []
  #life: JobLife | undefined
  #ended: Outcome | undefined
  #isBegun = false

  constructor(
    options: SimulationOptions,
    disk: MemoryDisk,
    random: Random,
    place: Place & { readonly parallelism: number; readonly startMs: number },
  ) {
    this.#options = options
    this.#place = place
    this.scheduler = new SeededScheduler(random, place.startMs)
    this.#doors = { clock: this.scheduler, random, files: disk.files(), logger: silentLogger }
  }

  /** Runs up to `limit` more steps; how the life has ended when it has before. */
  async run(limit: number): Promise<Outcome | undefined> {
    if (!this.#isBegun) this.#begin()
    for (let step = 0; step < limit && this.#outcome() === undefined; step += 1) {
      const isAlive = await this.scheduler.step()
      assert(isAlive || this.#outcome() !== undefined, 'the simulation stands still')
    }
    return this.#outcome()
  }

  #outcome(): Outcome | undefined {
    return this.#ended
  }

  /** Asks for a stop or a savepoint, as a user does at any time; returns what it was. */
  ask(dice: number): string {
    const life = this.#life
    if (life === undefined) return 'asked too early'
    // Who asks is told of a failure; here, the run tells.
    const done = (): void => undefined
    if (dice === 0) {
      life.savepoint({ type: 'savepoint' }).then(done, done)
      return 'savepoint'
    }
    const savepoint = dice === 1
    life.requestStop({ drain: false, savepoint, target: undefined }).then(done, done)
    return savepoint ? 'stop with savepoint' : 'stop'
  }

  async abandon(): Promise<void> {
    for (const worker of this.#workers) await worker.terminate()
  }

  #begin(): void {
    this.#isBegun = true
    this.#live().then(
      (summary) => {
        this.#ended = { summary }
      },
      (error: unknown) => {
        this.#ended = { error }
      },
    )
  }

  async #live(): Promise<RunSummary> {
    const plan = this.#plan()
    const spawn = spawnInThread(this.#doors, plan.graph)
    const begun = await beginLife({
      doors: this.#doors,
      plan,
      hasSupervisor: false,
      spawn: (count, onMessage) => {
        this.#workers = spawn(count, onMessage)
        return this.#workers
      },
      options: {
        workDir: this.#place.workDir,
        ...(this.#place.from === undefined ? {} : { from: this.#place.from }),
        workRoot: '/',
        fresh: false,
        takeOver: false,
        fork: false,
        dropState: [],
        renameUid: {},
      },
      ownership: {
        processes: {
          pid: 1,
          parentPid: 0,
          inspect: () => Promise.resolve({ type: 'gone' }),
          kill: () => undefined,
        },
        takeLock: () => Promise.resolve({ release: () => Promise.resolve() }),
      },
    })
    if (begun.type === 'already-finished') return begun.summary
    const { life } = begun
    this.#life = life
    await life.start()
    return await life.finished()
  }

  #plan(): JobPlan {
    const definition = jobDefinition(this.#options.job)
    const graph = definition.build(this.#options.parameters)
    return {
      job: definition.name,
      graph: toJobGraph(graph, this.#place.parallelism),
      planHash: planHash(graph),
      parameters: {},
      parallelism: this.#place.parallelism,
      settings: graph.settings,
      workers: 1,
      bundle: undefined,
    }
  }
}
