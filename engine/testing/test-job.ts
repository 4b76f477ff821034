import type { ParameterValue } from '../graph/parameters.ts'
import type { StreamGraph } from '../graph/stream-graph.ts'
import type { Schema } from '../stream/schema.ts'
import type { CheckpointKeeper, MasterResult } from '../job/master-parts.ts'
import { StreamError } from '../base/errors.ts'
import { silentLogger } from '../base/logger.ts'
import { seededRandom } from '../base/random.ts'
import { MANIFEST_FORMAT } from '../checkpoint/manifest.ts'
import { jobDefinition } from '../graph/job-definition.ts'
import { parseParameters, reviveParameters } from '../graph/parameters.ts'
import { planInThread } from '../job/job-plan.ts'
import { JobMaster } from '../job/job-master.ts'
import { SourceCoordinator } from '../job/source-coordinator.ts'
import { spawnInThread } from '../worker/in-thread.ts'
import { memoryDisk } from '../simulation/memory-files.ts'
import type { Files } from '../base/files.ts'
import { TestCollector, TestFeed } from './test-connectors.ts'
import { VirtualClock } from '../simulation/virtual-clock.ts'

export interface TestJobOptions {
  /** Values of the job's parameters; a secret is given as its text. */
  readonly parameters?: Readonly<Record<string, ParameterValue>>
  readonly parallelism?: number
  /** Processing time at the start, epoch ms. */
  readonly startMs?: number
}

/** A job under test. */
export interface TestJob {
  /**
   * The source of that uid: what is sent arrives in order. On return it has been processed, unless
   * the source is paused because it is far ahead of another.
   */
  source(uid: string): { send(...records: readonly unknown[]): Promise<void> }
  /** Moves processing time on; timers that become due fire. */
  advance(ms: number): Promise<void>
  /** Ends every source, lets windows and timers fire, and waits for the job's end. */
  finish(): Promise<void>
  /** The sink of that uid: everything that has arrived there, in order of arrival. */
  sink<V = unknown>(uid: string, schema?: Schema<V>): { rows(): readonly V[] }
  /** Throws away what runs. For tests that do not `finish`. */
  close(): Promise<void>
}

/**
 * Runs a job in this thread, without files: its sources are fed by the test, its sinks collect.
 * Everything in between is what runs in production. An error of the job is thrown by whatever is
 * awaited next.
 */
export async function testJob(job: unknown, options: TestJobOptions = {}): Promise<TestJob> {
  const definition = jobDefinition(job)
  const defaults = await parseParameters(
    definition.name,
    definition.parameters.filter(({ name }) => options.parameters?.[name] === undefined),
    {},
    () => '',
  )
  const values = reviveParameters({ ...defaults, ...options.parameters })
  const feeds = new Map<string, TestFeed>()
  const collectors = new Map<string, TestCollector>()
  const graph = replaceEnds(definition.build(values), feeds, collectors)
  const clock = new VirtualClock(options.startMs ?? 0)
  const doors = {
    clock,
    random: seededRandom(1),
    files: memoryDisk(1).files(),
    logger: silentLogger,
  }
  const parallelism = options.parallelism ?? 1
  const plan = planInThread(definition.name, graph, parallelism)
  const jobGraph = plan.graph
  const master = new JobMaster({
    doors,
    plan,
    spawn: spawnInThread(doors, jobGraph),
    keeper: new MemoryKeeper(definition.name),
    sources: jobGraph.vertices
      .filter((vertex) => vertex.chain[0]!.runtime.type === 'source')
      .map((vertex, index) => new SourceCoordinator(vertex, doors, () => index)),
    deployment: {
      workers: 1,
      epoch: 1,
      workDir: '/work',
      stateCacheBytes: 2 ** 30,
      parking: undefined,
      restored: undefined,
    },
  })
  await makeFolders(doors.files)
  await master.start()
  await clock.settle()
  return new RunningTest(master, clock, feeds, collectors)
}

async function makeFolders(files: Files): Promise<void> {
  for (const path of ['/work', '/work/state', '/work/scratch']) await files.mkdir(path)
}

class RunningTest implements TestJob {
  readonly #master: JobMaster
  readonly #clock: VirtualClock
  readonly #feeds: ReadonlyMap<string, TestFeed>
  readonly #collectors: ReadonlyMap<string, TestCollector>
  readonly #result: Promise<MasterResult>
  #failure: { readonly error: unknown } | undefined
  #isOver = false

  constructor(
    master: JobMaster,
    clock: VirtualClock,
    feeds: ReadonlyMap<string, TestFeed>,
    collectors: ReadonlyMap<string, TestCollector>,
  ) {
    this.#master = master
    this.#clock = clock
    this.#feeds = feeds
    this.#collectors = collectors
    this.#result = master.finished()
    this.#result.then(
      () => {
        this.#isOver = true
      },
      (error: unknown) => {
        this.#failure = { error }
      },
    )
  }

  source(uid: string): { send(...records: readonly unknown[]): Promise<void> } {
    const feed = named(this.#feeds, uid, 'source')
    return {
      send: async (...records) => {
        feed.push(records)
        await this.#settle()
      },
    }
  }

  async advance(ms: number): Promise<void> {
    await this.#clock.advance(ms)
    await this.#settle()
  }

  async finish(): Promise<void> {
    for (const feed of this.#feeds.values()) feed.end()
    while (!this.#isOver) {
      await this.#settle()
      // Workers close, and retries wait, on the clock.
      await this.#clock.advance(1)
    }
    await this.#result
  }

  sink<V>(uid: string): { rows(): readonly V[] } {
    const collector = named(this.#collectors, uid, 'sink')
    return { rows: () => collector.rows as readonly V[] }
  }

  async close(): Promise<void> {
    if (!this.#isOver) this.#master.cancel()
    await this.#result.catch(() => undefined)
  }

  async #settle(): Promise<void> {
    await this.#clock.settle()
    if (this.#failure !== undefined) throw this.#failure.error
  }
}

function named<T>(all: ReadonlyMap<string, T>, uid: string, what: string): T {
  const found = all.get(uid)
  if (found !== undefined) return found
  throw new StreamError('UID_MISSING', `the job has no ${what} "${uid}"`, {
    hint: `It has: ${[...all.keys()].map((name) => `"${name}"`).join(', ')}.`,
  })
}

function replaceEnds(
  graph: StreamGraph,
  feeds: Map<string, TestFeed>,
  collectors: Map<string, TestCollector>,
): StreamGraph {
  const nodes = graph.nodes.map((node) => {
    const uid = node.uid ?? node.name
    if (node.runtime.type === 'source') {
      const feed = new TestFeed()
      feeds.set(uid, feed)
      const source = feed.definition(node.schema)
      return { ...node, runtime: { type: 'source' as const, source } }
    }
    if (node.runtime.type !== 'sink') return node
    const collector = new TestCollector()
    collectors.set(uid, collector)
    const sink = collector.definition(node.runtime.sink.schema)
    return { ...node, runtime: { type: 'sink' as const, sink } }
  })
  return { ...graph, nodes }
}

/** Checkpoints that nobody will restore. */
class MemoryKeeper implements CheckpointKeeper {
  readonly #job: string

  constructor(job: string) {
    this.#job = job
  }

  write: CheckpointKeeper['write'] = (content) =>
    Promise.resolve({
      ...content,
      format: MANIFEST_FORMAT,
      job: this.#job,
      lineage: { id: 'test', parent: null, parentCheckpoint: null },
      instance: 'test',
      createdAtMs: 0,
      planHash: '',
      parameters: {},
      staged: [],
    })

  commit: CheckpointKeeper['commit'] = () => Promise.resolve()

  savepoint: CheckpointKeeper['savepoint'] = () =>
    Promise.reject(new StreamError('OPTION_INVALID', 'a job under test takes no savepoints'))
}
