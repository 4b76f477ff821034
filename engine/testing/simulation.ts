import type { Doors } from '../base/doors.ts'
import type { Random } from '../base/random.ts'
import type { JobPlan } from '../job/job-plan.ts'
import type { RunSummary } from '../job/protocol.ts'
import type { WorkerHandle } from '../worker/worker-handle.ts'
import { assert } from '../base/assert.ts'
import { silentLogger } from '../base/logger.ts'
import { seededRandom } from '../base/random.ts'
import { toJobGraph } from '../graph/chaining.ts'
import { jobDefinition } from '../graph/job-definition.ts'
import { planHash } from '../graph/plan.ts'
import { beginLife, type JobLife } from '../job/job-life.ts'
import { spawnInThread } from '../worker/in-thread.ts'
import { MemoryDisk } from './memory-files.ts'
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
 * the seed decides. The same seed gives the same run.
 */
export async function simulateJob(options: SimulationOptions): Promise<SimulationReport> {
  const random = seededRandom(options.seed)
  const disk = new MemoryDisk({ survivors: seededRandom(options.seed + 1) })
  const history: string[] = []
  let startMs = Date.UTC(2026, 0, 1)
  let steps = 0
  for (const parallelism of options.parallelisms.slice(0, -1)) {
    const life = new SimulatedLife(options, disk, random, parallelism, startMs)
    const limit = random.int(options.stepsMax)
    let ended = await life.run(limit)
    if (ended === undefined && options.stops === true) {
      history.push(`p${parallelism} ${life.ask(random.int(4))} after ${limit} steps`)
      ended = await life.run(random.int(options.stepsMax))
    }
    steps += life.scheduler.steps
    startMs = life.scheduler.nowMs() + 1_000
    if (ended !== undefined) {
      history.push(`p${parallelism} ${ended.status} by itself`)
      continue
    }
    const how = random.int(2) === 0 ? 'crash' : 'power loss'
    if (how === 'crash') disk.crash()
    else disk.powerLoss()
    await life.abandon()
    history.push(`p${parallelism} ${how} after ${limit} steps`)
  }
  const last = new SimulatedLife(options, disk, random, options.parallelisms.at(-1)!, startMs)
  const summary = await last.run(Infinity)
  assert(summary !== undefined)
  return { disk, summary, history, steps: steps + last.scheduler.steps }
}

type Outcome = { readonly summary: RunSummary } | { readonly error: unknown }

class SimulatedLife {
  readonly scheduler: SeededScheduler
  readonly #options: SimulationOptions
  readonly #doors: Doors
  readonly #parallelism: number
  #workers: readonly WorkerHandle[] = []
  #life: JobLife | undefined
  #ended: Outcome | undefined
  #isBegun = false

  constructor(
    options: SimulationOptions,
    disk: MemoryDisk,
    random: Random,
    parallelism: number,
    startMs: number,
  ) {
    this.#options = options
    this.#parallelism = parallelism
    this.scheduler = new SeededScheduler(random, startMs)
    this.#doors = { clock: this.scheduler, random, files: disk.files(), logger: silentLogger }
  }

  /** Runs up to `limit` more steps; the summary when the job has ended before. */
  async run(limit: number): Promise<RunSummary | undefined> {
    if (!this.#isBegun) this.#begin()
    for (let step = 0; step < limit && this.#ended === undefined; step += 1) {
      const isAlive = await this.scheduler.step()
      assert(isAlive || this.#ended !== undefined, 'the simulation stands still')
    }
    const ended = this.#outcome()
    if (ended !== undefined && 'error' in ended) throw ended.error
    return ended?.summary
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
        workDir: '/work',
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
      graph: toJobGraph(graph, this.#parallelism),
      planHash: planHash(graph),
      parameters: {},
      parallelism: this.#parallelism,
      settings: graph.settings,
      workers: 1,
      bundle: undefined,
    }
  }
}
