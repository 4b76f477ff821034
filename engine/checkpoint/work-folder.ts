import type { Doors } from '../base/doors.ts'
import { StreamError } from '../base/errors.ts'
import { makeDirectories } from '../base/files.ts'
import type { Json } from '../base/json.ts'
import type { JobGraph } from '../graph/job-graph.ts'
import type { CheckpointSettings } from '../graph/stream-graph.ts'
import type { Committer } from '../operator/sink.ts'
import { checkReach } from './check-reach.ts'
import { CommitterRunner } from './committer-runner.ts'
import { beginEpoch, lastEpochNumber, readEpochs, type Epoch } from './epochs.ts'
import { fitRestored, toldChanges } from './fit-restored.ts'
import type { FitOptions } from './fit-options.ts'
import { removeTree, setAside } from './folders.ts'
import { WorkFolder, type Target } from './held-folder.ts'
import { jobFacts } from './job-facts.ts'
import { epochOf, formatCheckpointId, workLayout, type WorkLayout } from './layout.ts'
import { manifestFiles, type CheckpointManifest } from './manifest.ts'
import type { TakeLock } from './owner-lock.ts'
import { refuseForeignPlace } from './own-place.ts'
import { acquireOwnership, type Ownership } from './ownership.ts'
import { systemProcesses, type Processes } from './processes.ts'
import { decideRecovery, type RecoveryDecision } from './recovery.ts'
import { jobRenamed, takeRenamed } from './renamed-folder.ts'
import { importSavepoint, readSavepoint } from './savepoint.ts'
import { committersOf, withoutPublished } from './sink-targets.ts'
import { CheckpointStore } from './store.ts'
import { decideTarget } from './target.ts'
import { verifyFiles } from './verify-files.ts'

export type { CheckpointContent, WorkFolder } from './held-folder.ts'

export interface WorkFolderParts {
  readonly root: string
  readonly job: string
  readonly doors: Doors
  readonly graph: JobGraph
  readonly planHash: string
  /** No secrets. */
  readonly parameters: Readonly<Record<string, Json>>
  readonly options: WorkFolderOptions
  readonly settings: CheckpointSettings
  /** For simulations; else the machine's. */
  readonly processes?: Processes
  readonly takeLock?: TakeLock
}

export interface WorkFolderOptions extends FitOptions {
  /** The job's name before, when it has been renamed. */
  readonly jobWas?: string
  /** The folder of that name: it becomes `root`, where that is not there. */
  readonly rootWas?: string
  /** Folder of a savepoint. */
  readonly from?: string
  readonly fresh: boolean
  readonly takeOver: boolean
  readonly fork: boolean
  readonly hasSupervisor: boolean
}

export type OpenedWorkFolder =
  | { readonly type: 'run'; readonly folder: WorkFolder }
  /** Its last checkpoint is final; what that had pending is published. */
  | {
      readonly type: 'finished'
      readonly folder: WorkFolder
      readonly manifest: CheckpointManifest
    }

/**
 * Takes a work folder for one life of a job, and brings disk and targets to where it begins.
 *
 * In this order, so that what a crash leaves at any point is what the next start goes on from:
 *
 * 1. own the folder; with --fresh ask the targets, then set the old one aside
 * 2. read what is there and decide; a refusal changes nothing
 * 3. verify every file that is to be restored; bring a savepoint in
 * 4. begin an epoch: from here on names and ids are this life's
 * 5. claim every target and publish what is pending there
 * 6. only then delete what nobody needs
 */
export async function openWorkFolder(parts: WorkFolderParts): Promise<OpenedWorkFolder> {
  const layout = workLayout(parts.root)
  const { faults, files } = parts.doors
  await refuseForeignPlace(files, layout, parts.graph, parts.options.fresh)
  await takeRenamed(parts, layout, {
    own: (folder) => ownershipOf(parts, folder),
    ask: (folder) => recover(parts, folder),
  })
  await faults?.hold('recover.own', {})
  const { ownership, epochFloor } = await own(parts, layout)
  const targets: Target[] = []
  try {
    const { store, decision, restored } = await recover(parts, layout)
    await faults?.hold('recover.epoch', {})
    const life = await begin(parts, layout, decision, epochFloor)
    await removeTree(parts.doors.files, layout.scratch)
    await makeDirectories(parts.doors.files, layout.scratch)
    await openTargets(parts, layout, life, restored, targets)
    faults?.reach('recover.ready', {})
    const { doors, planHash, parameters } = parts
    const folder = new WorkFolder({
      doors,
      layout,
      life,
      planHash,
      parameters,
      restored,
      store,
      targets,
      ownership,
    })
    return decision.type === 'finished'
      ? { type: 'finished', folder, manifest: decision.manifest }
      : { type: 'run', folder }
  } catch (error) {
    for (const { runner } of targets) await runner.close().catch(() => undefined)
    await ownership.release()
    throw error
  }
}

function ownershipOf(parts: WorkFolderParts, layout: WorkLayout): Promise<Ownership> {
  const { doors, options, job, processes, takeLock } = parts
  const { takeOver, hasSupervisor } = options
  return acquireOwnership({
    ...{ layout, job, ...doors, takeOver, hasSupervisor },
    ...(processes === undefined ? {} : { processes }),
    ...(takeLock === undefined ? {} : { takeLock }),
  })
}

/** Step 1. The old folder keeps its lock until it is aside, so nobody starts in it meanwhile. */
async function own(
  parts: WorkFolderParts,
  layout: WorkLayout,
): Promise<{ readonly ownership: Ownership; readonly epochFloor: number }> {
  const { doors, options } = parts
  const ownership = await ownershipOf(parts, layout)
  if (!options.fresh) return { ownership, epochFloor: 0 }
  // Ids go on above the old ones: staged files of the old lives may still lie at the targets.
  let epochFloor = 0
  try {
    epochFloor = await lastEpochNumber(doors.files, layout)
    if (epochFloor > 0) {
      await askTargets(parts)
      const aside = await setAside(doors.files, layout.root)
      doors.logger.info({ workDir: layout.root, aside }, 'the work folder is set aside')
    }
  } finally {
    await ownership.release()
  }
  return { ownership: await ownershipOf(parts, layout), epochFloor }
}

/** What would refuse a fresh start, asked before anything is moved. */
async function askTargets({ graph, job, doors }: WorkFolderParts): Promise<void> {
  await checkReach(graph, doors.files)
  for (const [uid, create] of committersOf(graph, job, doors)) {
    const committer = create(uid)
    const decision = decideTarget({
      uid,
      marker: await committer.readMarker(),
      lineage: { id: '', parent: null, parentCheckpoint: null },
      ...{
        restoredId: 0,
        isKnownSink: false,
        hasPending: false,
        knownInstances: new Set<string>(),
      },
    })
    await committer.close()
    if (decision.type !== 'refuse') continue
    throw new StreamError(decision.code, decision.message, { hint: decision.hint })
  }
}

interface Recovered {
  readonly store: CheckpointStore
  readonly decision: Exclude<RecoveryDecision, { readonly type: 'refuse' }>
  readonly restored: CheckpointManifest | undefined
}

/** Steps 2 and 3. */
async function recover(parts: WorkFolderParts, layout: WorkLayout): Promise<Recovered> {
  const { doors, settings, options, job } = parts
  const { files, logger, random } = doors
  const store = new CheckpointStore({ files, layout, logger, retain: settings.retain })
  await store.open()
  const latestId = await store.latest()
  if (latestId !== undefined) await store.makeDurable(latestId)
  doors.faults?.reach('recover.decide', {})
  const decision = decideRecovery({
    job,
    jobWas: options.jobWas,
    latest: latestId === undefined ? undefined : await store.load(latestId),
    lastEpoch: (await readEpochs(files, layout)).at(-1),
    from: options.from === undefined ? undefined : await readSavepoint(files, options.from),
    fork: options.fork,
    newLineage: random.hex(16),
  })
  if (decision.type === 'refuse') {
    throw new StreamError(decision.code, decision.message, { hint: decision.hint })
  }
  if (decision.type === 'start-fresh') return { store, decision, restored: undefined }
  const { checkpointId } = decision.manifest
  await doors.faults?.hold('recover.verify', { checkpointId })
  const isImported = decision.type === 'restore-and-recommit' && decision.origin === 'savepoint'
  const restored = await fitRestored({
    files,
    layout,
    root: isImported ? options.from! : layout.root,
    manifest: await withoutPublished(
      decision.manifest,
      committersOf(parts.graph, job, doors),
      options,
      doors,
    ),
    facts: jobFacts(parts.graph),
    options,
  })
  if (isImported) {
    const wanted = stagedFilesOf(parts, restored)
    await importSavepoint(files, layout, store, options.from!, decision.manifest, wanted)
  } else {
    await verifyFiles(files, layout.root, manifestFiles(restored))
  }
  const checkpoint = formatCheckpointId(restored.checkpointId)
  const from = decision.type === 'finished' ? 'work-folder' : decision.origin
  logger.info({ checkpoint, from }, 'checkpoint restored')
  return { store, decision, restored }
}

/** What the sinks of this job will look for. */
function stagedFilesOf(
  { graph, job, doors }: WorkFolderParts,
  restored: CheckpointManifest,
): ReadonlySet<string> {
  const paths = new Set<string>()
  for (const [uid, create] of committersOf(graph, job, doors)) {
    const sink = restored.sinks.find((candidate) => candidate.uid === uid)
    if (sink === undefined || sink.committables.length === 0) continue
    for (const path of create(sink.was ?? uid).stagedFiles(sink.committables)) paths.add(path)
  }
  return paths
}

/** Step 4. */
function begin(
  parts: WorkFolderParts,
  layout: WorkLayout,
  decision: Recovered['decision'],
  epochFloor: number,
): Promise<Epoch> {
  const { doors, job, options } = parts
  const { pid } = parts.processes ?? systemProcesses
  const { lineage } = decision
  const life = {
    instance: doors.random.hex(16),
    pid,
    job,
    lineage,
    ...toldChanges(options, options.jobWas === undefined ? [] : [jobRenamed(options.jobWas)]),
  }
  const above = decision.type === 'start-fresh' ? 0 : epochOf(decision.manifest.checkpointId)
  return beginEpoch(doors.files, layout, life, Math.max(above, epochFloor))
}

/** Step 5. */
async function openTargets(
  parts: WorkFolderParts,
  layout: WorkLayout,
  life: Epoch,
  restored: CheckpointManifest | undefined,
  targets: Target[],
): Promise<void> {
  const { doors, job } = parts
  const { lineage, instance } = life
  const epochs = await readEpochs(doors.files, layout)
  const known = new Set(epochs.map((epoch) => epoch.instance))
  if (restored !== undefined) known.add(restored.instance)
  for (const [uid, create] of committersOf(parts.graph, job, doors)) {
    const open = async (name: string, from: CheckpointManifest | undefined): Promise<Target> => {
      const committer = create(name)
      const runner = new CommitterRunner({ uid: name, committer, ...doors, lineage, instance })
      targets.push({ runner, committer })
      await doors.faults?.hold('recover.target', { uid: name })
      await runner.open(from, known)
      return { runner, committer }
    }
    const renamed = restored === undefined ? undefined : underOldName(restored, uid)
    const isMarked = renamed !== undefined && (await isUsed(create(renamed.was), renamed.pending))
    if (!isMarked) await open(uid, restored)
    else {
      const old = await open(renamed.was, renamed.before)
      targets.pop() // No checkpoint to come has it.
      await open(uid, renamed.after)
      await old.committer.handOver?.(uid)
      await old.runner.close()
    }
  }
}

interface RenamedSink {
  readonly was: string
  readonly pending: boolean
  /** The checkpoint with the sink's pending output under its old name. */
  readonly before: CheckpointManifest
  /** With nothing pending: all of it is published under the old name. */
  readonly after: CheckpointManifest
}

/**
 * A renamed sink publishes what is pending under its old name, where its files are staged and its
 * marker lies; then the new name claims the target, and then the old marker is handed over. Each
 * step may be repeated: until the first checkpoint the old names are what a start goes on from.
 */
function underOldName(restored: CheckpointManifest, uid: string): RenamedSink | undefined {
  const sink = restored.sinks.find((candidate) => candidate.uid === uid)
  if (sink?.was === undefined) return undefined
  const { was } = sink
  const others = restored.sinks.filter((candidate) => candidate !== sink)
  const committables = sink.committables.map((own) => ({ ...own, uid: was }))
  return {
    was,
    pending: committables.length > 0,
    before: { ...restored, sinks: [...others, { ...sink, uid: was, committables }] },
    after: { ...restored, sinks: [...others, { ...sink, committables: [] }] },
  }
}

/** False for a target that the sink has never written to: it writes elsewhere now. */
async function isUsed(committer: Committer, hasPending: boolean): Promise<boolean> {
  return hasPending || (await committer.readMarker()) !== undefined
}
