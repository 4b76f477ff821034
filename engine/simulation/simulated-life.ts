import type { Doors } from '../base/doors.ts'
import type { CheckpointSettings } from '../graph/stream-graph.ts'
import { planInThread, type JobPlan } from '../job/job-plan.ts'
import type { RunSummary } from '../job/protocol.ts'
import type { SpawnWorkers, WorkerHandle } from '../worker/worker-handle.ts'
import type { SimulatedProcess } from './simulated-processes.ts'
import { jobDefinition } from '../graph/job-definition.ts'
import { beginLife, type JobLife } from '../job/job-life.ts'
import { spawnInThread } from '../worker/in-thread.ts'
import { gunzipAtOnce } from './gunzip-at-once.ts'
import { pacedNode } from './paced-source.ts'
import { SimulatedStore } from './simulated-store.ts'

/** The job of a simulation, before it is planned for one life. */
export interface SimulatedJob {
  readonly job: unknown
  readonly parameters: Readonly<Record<string, unknown>>
  /** In place of what the job asks for. */
  readonly checkpointing?: Partial<CheckpointSettings>
  /** Workers that the subtasks are dealt to, all in one thread: 1 when left out. */
  readonly workers?: number
  /** Heap of all keyed state before entries go to the scratch store; a fraction will do. */
  readonly stateCacheMb?: number
  /** How long a source waits between two looks for records; its own pace when left out. */
  readonly pollMs?: number
  /** Most records of a batch that a source gives out, so that a small input is many batches. */
  readonly batchRecords?: number
  /** Each input of a step is served at its own pace, drawn by chance. */
  readonly uneven?: boolean
}

export interface LifePlace {
  readonly workDir: string
  /** A savepoint to begin with. */
  readonly from?: string
  readonly takeOver?: boolean
}

/** What a user may ask of a job that runs. */
export type UserRequest = 'savepoint' | 'stop' | 'stop-with-savepoint' | 'drain'

export type LifeOutcome = { readonly summary: RunSummary } | { readonly error: unknown }

/** One life of a job in one thread, from taking the folder on, over doors that are given. */
export class SimulatedLife {
  readonly plan: JobPlan
  readonly #doors: Doors
  readonly #stateCacheMb: number | undefined
  readonly #isUneven: boolean
  readonly #place: LifePlace
  readonly #process: SimulatedProcess
  #workers: readonly WorkerHandle[] = []
  #life: JobLife | undefined
  #outcome: LifeOutcome | undefined

  constructor(
    job: SimulatedJob,
    parallelism: number,
    place: LifePlace,
    process: SimulatedProcess,
    doors: Doors,
  ) {
    this.#doors = { ...doors, gunzip: gunzipAtOnce }
    this.#stateCacheMb = job.stateCacheMb
    this.#isUneven = job.uneven ?? false
    this.#place = place
    this.#process = process
    this.plan = planOf(job, parallelism)
  }

  /** Undefined while it lives. */
  get outcome(): LifeOutcome | undefined {
    return this.#outcome
  }

  /** Before its first step: what takes time of the machine's own. */
  async load(): Promise<void> {
    for (const { runtime } of this.plan.graph.vertices.flatMap(({ chain }) => chain)) {
      if (runtime.type === 'sink') await runtime.sink.load?.()
    }
  }

  begin(): void {
    this.#live().then(
      (summary) => {
        this.#outcome = { summary }
      },
      (error: unknown) => {
        this.#outcome = { error }
      },
    )
  }

  /** False: it is too early for a request. Who asks learns of a failure by the life's outcome. */
  ask(request: UserRequest): boolean {
    const life = this.#life
    if (life === undefined) return false
    const done = (): void => undefined
    if (request === 'savepoint') {
      life.savepoint({ type: 'savepoint' }).then(done, done)
    } else {
      const savepoint = request === 'stop-with-savepoint'
      const drain = request === 'drain'
      life.requestStop({ drain, savepoint, target: undefined }).then(done, done)
    }
    return true
  }

  /** Nothing of it runs any more. */
  async abandon(): Promise<void> {
    for (const worker of this.#workers) await worker.terminate()
  }

  async #live(): Promise<RunSummary> {
    const spawn = this.#spawn()
    const { workDir, from, takeOver } = this.#place
    const begun = await beginLife({
      doors: this.#doors,
      plan: this.plan,
      hasSupervisor: false,
      spawn,
      options: {
        workDir,
        ...(from === undefined ? {} : { from }),
        workRoot: '/',
        ...(this.#stateCacheMb === undefined ? {} : { stateCacheMb: this.#stateCacheMb }),
        fresh: false,
        takeOver: takeOver ?? false,
        fork: false,
        dropState: [],
        renameUid: {},
      },
      ownership: this.#process,
    })
    if (begun.type === 'already-finished') return begun.summary
    const { life } = begun
    this.#life = life
    await life.start()
    return await life.finished()
  }

  #spawn(): SpawnWorkers {
    const { clock } = this.#doors
    const spawn = spawnInThread(this.#doors, this.plan.graph, {
      openStore: () => new SimulatedStore(clock),
      isUneven: this.#isUneven,
    })
    return (count, onMessage) => {
      this.#workers = spawn(count, onMessage)
      return this.#workers
    }
  }
}

function planOf(simulated: SimulatedJob, parallelism: number): JobPlan {
  const { job, parameters, checkpointing, workers = 1 } = simulated
  const definition = jobDefinition(job)
  const written = definition.build(parameters)
  const graph = { ...written, nodes: written.nodes.map((node) => pacedNode(node, simulated)) }
  const settings = {
    ...graph.settings,
    checkpointing: { ...graph.settings.checkpointing, ...checkpointing },
  }
  const plan = planInThread(definition.name, graph, parallelism, Math.min(workers, parallelism))
  return { ...plan, settings }
}
