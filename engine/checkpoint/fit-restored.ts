import { join } from 'node:path'
import { StreamError } from '../base/errors.ts'
import type { Files } from '../base/files.ts'
import { exists } from '../base/files.ts'
import { readEpochs, type Epoch } from './epochs.ts'
import { compareJob, fitToJob, type FitOptions, type JobComparison } from './fits-job.ts'
import type { HeldState } from './comparison.ts'
import { countHeld } from './held-state.ts'
import type { JobFacts } from './job-facts.ts'
import { epochName, epochOf, type WorkLayout } from './layout.ts'
import type { CheckpointManifest } from './manifest.ts'
import { refuseStrayFlags } from './stray-flags.ts'

export interface FitTask {
  readonly files: Files
  readonly layout: WorkLayout
  /** Where the files of the checkpoint lie: the work folder or a savepoint. */
  readonly root: string
  readonly manifest: CheckpointManifest
  readonly facts: JobFacts
  readonly options: FitOptions
}

/**
 * The checkpoint as this job is to restore it, or the refusal of what it would lose. Reads only.
 *
 * A change is made once, however often the command is repeated: a checkpoint of a start that was
 * told to drop a state holds what has been gathered since. Such a flag counts again only where the
 * checkpoint does not fit the job without it: then the job has been changed once more.
 */
export async function fitRestored(task: FitTask): Promise<CheckpointManifest> {
  const { manifest, facts } = task
  const { comparison, options, held } = await compareRestored(task)
  return isRefused(comparison) ? fitToJob(manifest, facts, options, held) : comparison.fitted
}

export async function compareRestored(task: FitTask): Promise<{
  readonly comparison: JobComparison
  readonly options: FitOptions
  readonly held: ReadonlyMap<string, HeldState>
}> {
  const { manifest, facts, options: all } = task
  const options = withoutDone(all, await writerOf(task))
  refuseStrayFlags(manifest, facts, options)
  let held: ReadonlyMap<string, HeldState> = new Map()
  let comparison = compareJob(manifest, facts, options)
  if (isRefused(comparison)) {
    held = await heldBy(task, comparison.refusedSteps)
    comparison = compareJob(manifest, facts, options, held)
  }
  if (isRefused(comparison)) {
    const again = compareJob(manifest, facts, all, held)
    if (!isRefused(again)) return { comparison: again, options: all, held }
  }
  return { comparison, options, held }
}

function isRefused({ findings }: JobComparison): boolean {
  return findings.some(({ refusal }) => refusal !== undefined)
}

async function heldBy(
  { files, root, manifest }: FitTask,
  uids: readonly string[],
): Promise<ReadonlyMap<string, HeldState>> {
  const held = new Map<string, HeldState>()
  for (const operator of manifest.operators) {
    if (uids.includes(operator.uid)) {
      held.set(operator.uid, await countHeld(files, root, operator))
    }
  }
  return held
}

/** What a start is told to change, as its record has it; `others` are renames of other things. */
export function toldChanges(
  options: FitOptions,
  others: readonly string[] = [],
): Pick<Epoch, 'dropped' | 'renamed'> {
  const renamed = [...others, ...pairs(options.renameUid), ...pairs(options.renameState ?? {})]
  return {
    ...(options.dropState.length === 0 ? {} : { dropped: options.dropState }),
    ...(renamed.length === 0 ? {} : { renamed }),
  }
}

function pairs(renames: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(renames).map(([old, to]) => `${old}=${to}`)
}

/** The options that the writer of the checkpoint was not told already. */
function withoutDone(options: FitOptions, writer: Epoch | undefined): FitOptions {
  const dropped = new Set(writer?.dropped)
  const renamed = new Set(writer?.renamed)
  const left = (renames: Readonly<Record<string, string>>): Record<string, string> =>
    Object.fromEntries(Object.entries(renames).filter(([old, to]) => !renamed.has(`${old}=${to}`)))
  return {
    ...options,
    dropState: options.dropState.filter((given) => !dropped.has(given)),
    renameUid: left(options.renameUid),
    renameState: left(options.renameState ?? {}),
  }
}

/** The start that wrote the checkpoint; undefined for one of another folder. */
async function writerOf({ files, layout, manifest, options }: FitTask): Promise<Epoch | undefined> {
  const told = toldChanges(options)
  if (told.dropped === undefined && told.renamed === undefined) return undefined
  const epochs = await readEpochs(files, layout)
  const writer = epochs.find(({ instance }) => instance === manifest.instance)
  const number = epochOf(manifest.checkpointId)
  const record = join(layout.epochs, epochName(number))
  const isKnown = writer !== undefined || epochs.some(({ epoch }) => epoch === number)
  if (!isKnown && (await exists(files, record))) {
    throw new StreamError(
      'CHECKPOINT_DAMAGED',
      `"${record}" is damaged: it would say what that start has dropped or renamed already`,
      { hint: 'Restore the file from a backup, or start without flags that drop or rename.' },
    )
  }
  return writer
}
