import { basename, dirname } from 'node:path'
import type { Doors } from '../base/doors.ts'
import { StreamError } from '../base/errors.ts'
import { exists } from '../base/files.ts'
import { nearest } from '../graph/suggest.ts'
import { readEpochs } from './epochs.ts'
import { listOrNone, setAside } from './folders.ts'
import { workLayout, type WorkLayout } from './layout.ts'
import type { Ownership } from './ownership.ts'

interface RenamedJob {
  readonly doors: Doors
  readonly options: {
    readonly jobWas?: string
    readonly rootWas?: string
    readonly from?: string
    readonly fresh: boolean
  }
}

export interface RenameSteps {
  /** Takes the lock of a folder. */
  readonly own: (layout: WorkLayout) => Promise<Ownership>
  /** Throws what refuses the checkpoint of the old folder. */
  readonly ask: (layout: WorkLayout) => Promise<unknown>
}

/**
 * The folder of a renamed job gets the job's new name, once all that can refuse its checkpoint has
 * been asked. Its lock is held until then, so nobody runs in it. A folder of the new name that
 * holds no checkpoint, as a start without `--job-was` leaves it, is set aside first.
 */
export async function takeRenamed(
  parts: RenamedJob,
  layout: WorkLayout,
  { own, ask }: RenameSteps,
): Promise<void> {
  const { doors, options } = parts
  const { files } = doors
  if (options.jobWas === undefined || options.fresh || options.from !== undefined) return
  const old = await oldFolder(parts, layout)
  if (old === undefined) return
  const ownership = await own(old)
  try {
    await ask(old)
    if (await exists(files, layout.root)) await moveAside(parts, layout, own)
    await files.rename(old.root, layout.root)
    await files.syncDirectory(dirname(layout.root))
  } finally {
    await ownership.release()
  }
  doors.logger.info({ was: old.root, workDir: layout.root }, 'the work folder is renamed')
}

/** How the record of a start says that the job had this name. No rename of a step has a space. */
export function jobRenamed(was: string): string {
  return `job ${was}`
}

/** Undefined: the folder has its new name. Throws when the state that is meant is in neither. */
async function oldFolder(
  { doors, options }: RenamedJob,
  layout: WorkLayout,
): Promise<WorkLayout | undefined> {
  const { jobWas = '', rootWas } = options
  const { files } = doors
  const isThere = await exists(files, layout.root)
  const wasThere = rootWas !== undefined && (await exists(files, rootWas))
  const isEmpty = !isThere || (await listOrNone(files, layout.manifests)).length === 0
  if (isEmpty && !wasThere) throw await noFolder(doors, rootWas ?? layout.root)
  if (isEmpty) return workLayout(rootWas!)
  const starts = await readEpochs(files, layout)
  // Starts of the old name are forgotten in time; those that were told of it say so.
  const told = jobRenamed(jobWas)
  if (starts.some(({ job, renamed }) => job === jobWas || renamed?.includes(told) === true)) {
    return undefined
  }
  const jobs = starts.map(({ job }) => job)
  if (!wasThere) throw stray(layout, jobWas, jobs)
  const found = `there are both "${rootWas}" and "${layout.root}", which has checkpoints of its own`
  throw new StreamError('WORK_DIR_FOREIGN', found, {
    hint: `The job has run under its new name without its old state. To go on with the old state, move "${layout.root}" away; to go on with the new one, leave --job-was out.`,
  })
}

function stray({ root }: WorkLayout, jobWas: string, jobs: readonly string[]): StreamError {
  const near = nearest(jobWas, jobs)
  const found = `--job-was ${jobWas} fits nothing: no start in "${root}" had that name`
  return new StreamError('USAGE', found, {
    hint: near === undefined ? 'Leave it out.' : `Did you mean "${near}"? If not, leave it out.`,
  })
}

async function noFolder({ files }: Doors, root: string): Promise<StreamError> {
  const names = (await listOrNone(files, dirname(root))).filter((name) => !name.startsWith('.'))
  const near = nearest(basename(root), names)
  return new StreamError('CHECKPOINT_NOT_FOUND', `there is no work folder "${root}"`, {
    hint:
      near === undefined
        ? 'Give --job-was the name that the job had, and --work-dir where its state lies elsewhere.'
        : `Did you mean --job-was ${near}?`,
  })
}

async function moveAside(
  { doors }: RenamedJob,
  layout: WorkLayout,
  own: RenameSteps['own'],
): Promise<void> {
  const ownership = await own(layout)
  try {
    const aside = await setAside(doors.files, layout.root)
    doors.logger.info({ workDir: layout.root, aside }, 'the work folder is set aside')
  } finally {
    await ownership.release()
  }
}
