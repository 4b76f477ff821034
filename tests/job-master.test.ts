/** What the master promises to who asks it for a savepoint or a stop, with tasks of this thread. */
import { expect, test } from 'vitest'
import { defineJob } from 'millrace'
import { collectionSource, printSink } from 'millrace/connectors'
import type { CheckpointManifest } from '../engine/checkpoint/manifest.ts'
import type { SourceDefinition } from '../engine/operator/source.ts'
import type { CheckpointId } from '../engine/stream/elements.ts'
import { deferred, type Deferred } from '../engine/base/deferred.ts'
import { silentLogger } from '../engine/base/logger.ts'
import { seededRandom } from '../engine/base/random.ts'
import { MANIFEST_FORMAT } from '../engine/checkpoint/manifest.ts'
import { toJobGraph } from '../engine/graph/chaining.ts'
import { jobDefinition } from '../engine/graph/job-definition.ts'
import { planHash } from '../engine/graph/plan.ts'
import { JobMaster } from '../engine/job/job-master.ts'
import type { CheckpointKeeper } from '../engine/job/master-parts.ts'
import { SourceCoordinator } from '../engine/job/source-coordinator.ts'
import { memoryDisk } from '../engine/simulation/memory-files.ts'
import { TestCollector, TestFeed } from '../engine/testing/test-connectors.ts'
import { VirtualClock } from '../engine/simulation/virtual-clock.ts'
import { spawnInThread } from '../engine/worker/in-thread.ts'

/** Commits when it is told to. */
class SlowKeeper implements CheckpointKeeper {
  readonly log: string[] = []
  readonly #commits: Deferred<void>[] = []
  isSlow = true

  write: CheckpointKeeper['write'] = (content) => {
    this.log.push(`write ${short(content.checkpointId)}`)
    return Promise.resolve<CheckpointManifest>({
      ...content,
      format: MANIFEST_FORMAT,
      job: 'slow',
      lineage: { id: 'test', parent: null, parentCheckpoint: null },
      instance: 'test',
      createdAtMs: 0,
      planHash: '',
      parameters: {},
      staged: [],
    })
  }

  commit: CheckpointKeeper['commit'] = async ({ checkpointId }) => {
    const told: Deferred<void> = deferred()
    this.#commits.push(told)
    if (this.isSlow) await told.promise
    this.log.push(`commit ${short(checkpointId)}`)
  }

  savepoint: CheckpointKeeper['savepoint'] = ({ checkpointId }) => {
    this.log.push(`savepoint ${short(checkpointId)}`)
    return Promise.resolve(`savepoint-${short(checkpointId)}`)
  }

  goOn(): void {
    this.#commits.shift()!.resolve()
  }
}

const short = (id: CheckpointId): number => id % 2 ** 32

function sourceOf(feed: TestFeed, close: () => Promise<void>): SourceDefinition {
  const definition = feed.definition(undefined)
  return {
    ...definition,
    createEnumerator: (context) => ({ ...definition.createEnumerator(context), close }),
  }
}

async function startMaster(closeSource = () => Promise.resolve()) {
  const clock = new VirtualClock(0)
  const files = memoryDisk(1).files()
  for (const path of ['/work', '/work/state', '/work/scratch']) await files.mkdir(path)
  const doors = { clock, random: seededRandom(1), files, logger: silentLogger }
  const feed = new TestFeed()
  const job = defineJob('slow', (env) => {
    env.checkpointing({ everyMs: 10 })
    env.fromSource('in', collectionSource<number>([])).sinkTo('out', printSink())
  })
  const graph = jobDefinition(job).build({})
  const nodes = graph.nodes.map((node) => ({
    ...node,
    runtime:
      node.runtime.type === 'source'
        ? { type: 'source' as const, source: sourceOf(feed, closeSource) }
        : { type: 'sink' as const, sink: new TestCollector().definition(node.schema) },
  }))
  const jobGraph = toJobGraph({ ...graph, nodes }, 1)
  const sources = [new SourceCoordinator(jobGraph.vertices[0]!, doors, () => 0)]
  const keeper = new SlowKeeper()
  const master = new JobMaster({
    doors,
    keeper,
    sources,
    plan: {
      job: 'slow',
      graph: jobGraph,
      planHash: planHash(graph),
      parameters: {},
      parallelism: 1,
      settings: graph.settings,
      workers: 1,
      bundle: undefined,
    },
    spawn: spawnInThread(doors, jobGraph),
    deployment: {
      workers: 1,
      epoch: 1,
      workDir: '/work',
      stateCacheBytes: 2 ** 20,
      parking: undefined,
      restored: undefined,
    },
  })
  await master.start()
  await clock.settle()
  return { master, clock, keeper }
}

test('a savepoint is copied before the next checkpoint is committed', async () => {
  const { master, clock, keeper } = await startMaster()
  const savepoint = master.takeSavepoint(undefined)
  await clock.advance(15)
  expect(keeper.log).toEqual(['write 1', 'write 2'])
  keeper.goOn()
  await clock.settle()
  keeper.goOn()
  await clock.settle()
  expect(await savepoint).toBe('savepoint-1')
  expect(keeper.log.slice(2)).toEqual(['commit 1', 'savepoint 1', 'commit 2'])
  master.cancel()
  await expect(master.finished()).rejects.toThrow('canceled')
})

test('a savepoint that is asked for when the last checkpoint is under way is refused', async () => {
  const { master, clock, keeper } = await startMaster()
  const stopped = master.stop({ savepoint: false, drain: false, target: undefined })
  await clock.settle()
  const savepoint = master.takeSavepoint(undefined).catch((error: unknown) => error)
  keeper.goOn()
  const result = master.finished()
  await clock.advance(100)
  expect((await result).status).toBe('stopped')
  await stopped
  expect(await Promise.race([savepoint, clock.settle()])).toMatchObject({ code: 'JOB_NOT_RUNNING' })
})

test('a life ends also when a source does not close', async () => {
  const { master } = await startMaster(() => Promise.reject(new Error('the broker is gone')))
  master.cancel()
  await expect(master.finished()).rejects.toThrow('canceled')
})
