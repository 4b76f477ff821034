/**
 * One life of a job over a disk in memory, in one thread: the engine of production, events in an
 * order that a seed decides. What the disk holds at any moment can be copied and gone on from.
 */
import type { Doors } from '../../engine/base/doors.ts'
import type { Committer } from '../../engine/operator/sink.ts'
import type { WorkFolderOptions } from '../../engine/checkpoint/work-folder.ts'
import { planInThread, type JobPlan } from '../../engine/job/job-plan.ts'
import type { RunSummary } from '../../engine/job/protocol.ts'
import type { DiskOperation } from '../../engine/simulation/disk-operation.ts'
import type { WorkerHandle } from '../../engine/worker/worker-handle.ts'
import { readWholeFile } from '../../engine/base/files.ts'
import { silentLogger } from '../../engine/base/logger.ts'
import { seededRandom } from '../../engine/base/random.ts'
import { openWorkFolder } from '../../engine/checkpoint/work-folder.ts'
import { jobDefinition } from '../../engine/graph/job-definition.ts'
import { beginLife, type JobLife } from '../../engine/job/job-life.ts'
import { MemoryDisk } from '../../engine/simulation/memory-files.ts'
import { SeededScheduler } from '../../engine/simulation/seeded-scheduler.ts'
import { spawnInThread } from '../../engine/worker/in-thread.ts'

export const WORK = '/work'

export interface Scene {
  readonly job: unknown
  readonly parallelism: number
  readonly seed: number
  readonly workDir?: string
  /** A savepoint to start from. */
  readonly from?: string
  /** The job's plan, where it is used more than once; else a new one. */
  readonly plan?: JobPlan
  /** Called as each call of the disk takes effect, before it does. */
  readonly before?: (operation: DiskOperation, disk: MemoryDisk) => void
  /** Called once, when records flow. */
  readonly started?: (life: JobLife) => void
}

/** What is on `disk` is not touched: the life gets a copy, which is returned as it leaves it. */
export async function live(
  disk: MemoryDisk,
  scene: Scene,
): Promise<{ readonly disk: MemoryDisk; readonly summary: RunSummary }> {
  const random = seededRandom(scene.seed)
  const scheduler = new SeededScheduler(random, startOf(scene))
  let isOver = false
  const own: MemoryDisk = disk.clone({
    gate: () => (isOver ? Promise.resolve() : new Promise((turn) => scheduler.immediate(turn))),
    fault: (operation) => {
      if (!isOver) scene.before?.(operation, own)
      return undefined
    },
  })
  const files = own.files()
  const doors: Doors = { clock: scheduler, random, files, logger: silentLogger }
  const outcome: { summary?: RunSummary; error?: unknown } = {}
  let workers: readonly WorkerHandle[] = []
  run(doors, scene, (spawned) => {
    workers = spawned
  }).then(
    (summary) => {
      outcome.summary = summary
    },
    (error: unknown) => {
      outcome.error = error
    },
  )
  while (outcome.summary === undefined && outcome.error === undefined) await scheduler.step()
  isOver = true
  for (const worker of workers) await worker.terminate()
  if (outcome.summary === undefined) throw outcome.error
  return { disk: own, summary: outcome.summary }
}

/** Takes the work folder as a start does, up to before the first record, and gives it back. */
export async function recover(disk: MemoryDisk, scene: Scene) {
  const random = seededRandom(scene.seed)
  const scheduler = new SeededScheduler(random, startOf(scene))
  const plan = scene.plan ?? planOf(scene)
  const opened = await openWorkFolder({
    root: scene.workDir ?? WORK,
    job: plan.job,
    doors: { clock: scheduler, random, files: disk.files(), logger: silentLogger },
    graph: plan.graph,
    planHash: plan.planHash,
    parameters: {},
    options: { ...OPTIONS, ...fromOf(scene), hasSupervisor: false },
    settings: plan.settings.checkpointing,
    ...ALONE,
  })
  await opened.folder.release()
  return opened
}

/** The committers of a job's sinks, as a start makes them. */
export function committersOf(disk: MemoryDisk, scene: Scene): ReadonlyMap<string, Committer> {
  const random = seededRandom(scene.seed)
  const clock = new SeededScheduler(random, 0)
  const doors: Doors = { clock, random, files: disk.files(), logger: silentLogger }
  const { job, graph } = scene.plan ?? planOf(scene)
  const committers = new Map<string, Committer>()
  for (const { uid, runtime } of graph.vertices.flatMap(({ chain }) => chain)) {
    if (runtime.type !== 'sink' || runtime.sink.createCommitter === undefined) continue
    committers.set(uid!, runtime.sink.createCommitter({ uid: uid!, job, doors }))
  }
  return committers
}

/** All rows of a folder of JSON lines, sorted: what a reader would find. */
export async function publishedIn(disk: MemoryDisk, folder: string): Promise<readonly string[]> {
  const files = disk.files()
  const rows: string[] = []
  for (const name of await files.list(folder)) {
    if (!name.endsWith('.jsonl')) continue
    const text = new TextDecoder().decode(await readWholeFile(files, `${folder}/${name}`))
    rows.push(...text.split('\n').filter((line) => line !== ''))
  }
  return rows.sort()
}

const OPTIONS: Omit<WorkFolderOptions, 'hasSupervisor'> = {
  fresh: false,
  takeOver: false,
  fork: false,
  dropState: [],
  renameUid: {},
}

/** The lock is always free, and nobody else is there. */
const ALONE = {
  processes: {
    pid: 1,
    parentPid: 0,
    inspect: () => Promise.resolve({ type: 'gone' } as const),
    kill: () => undefined,
  },
  takeLock: () => Promise.resolve({ release: () => Promise.resolve() }),
}

function fromOf({ from }: Scene): { readonly from?: string } {
  return from === undefined ? {} : { from }
}

/** Any time will do, also one before that of the last life: clocks are set back. */
function startOf({ seed }: Scene): number {
  return Date.UTC(2026, 0, 1) + (seed % 1_000) * 1_000
}

export function planOf({ job, parallelism }: Pick<Scene, 'job' | 'parallelism'>): JobPlan {
  const definition = jobDefinition(job)
  return planInThread(definition.name, definition.build({}), parallelism)
}

async function run(
  doors: Doors,
  scene: Scene,
  spawned: (workers: readonly WorkerHandle[]) => void,
): Promise<RunSummary> {
  const plan = planOf(scene)
  const spawn = spawnInThread(doors, plan.graph)
  const begun = await beginLife({
    doors,
    plan,
    hasSupervisor: false,
    spawn: (count, onMessage) => {
      const workers = spawn(count, onMessage)
      spawned(workers)
      return workers
    },
    options: { ...OPTIONS, ...fromOf(scene), workDir: scene.workDir ?? WORK, workRoot: '/' },
    ownership: ALONE,
  })
  if (begun.type === 'already-finished') return begun.summary
  await begun.life.start()
  scene.started?.(begun.life)
  return await begun.life.finished()
}
