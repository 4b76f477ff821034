import { resolve, sep } from 'node:path'
import type { Files } from '../base/files.ts'
import type { JobGraph } from '../graph/job-graph.ts'
import type { WorkLayout } from './layout.ts'
import { StreamError } from '../base/errors.ts'
import { exists } from '../base/files.ts'
import { temporaryName } from './layout.ts'
import { jobFolders, refuseOwnInput } from './own-input.ts'

/** What a system itself puts into a folder: of a disk that is mounted there, or that was looked at. */
const OF_THE_SYSTEM = ['lost+found', '.DS_Store']

/**
 * Refuses a work folder that is not a place of its own, before anything is written or moved there.
 *
 * P1. A folder that holds other files, and no epoch of ours, is not taken for state.
 * P2. A folder that holds other files beside ours is not set aside: they would go with it.
 * P3. No sink publishes into the work folder, and the work folder lies in no output.
 * P4. No source reads what the job writes.
 */
export async function refuseForeignPlace(
  files: Files,
  layout: WorkLayout,
  graph: JobGraph,
  fresh: boolean,
): Promise<void> {
  refuseOutputs(layout.root, graph)
  await refuseOwnInput(files, graph, await jobFolders(files, graph, layout.root))
  if (!(await exists(files, layout.root))) return
  const { root } = layout
  if (!(await files.stat(root)).isDirectory) {
    throw new StreamError('WORK_DIR_FOREIGN', `the work folder "${root}" is a file`, { hint: OWN })
  }
  const names = await files.list(root)
  const other = names.find((name) => !isOurs(name, layout) && !OF_THE_SYSTEM.includes(name))
  if (other === undefined) return
  const found = `the work folder "${root}" holds files that are not Millrace's, such as "${other}"`
  if (!names.includes('epochs')) throw new StreamError('WORK_DIR_FOREIGN', found, { hint: OWN })
  if (fresh) throw new StreamError('WORK_DIR_FOREIGN', found, { hint: MOVED })
}

const OWN =
  'Name a folder of its own: an empty one, one that does not exist, or that of an earlier run.'
const MOVED = '--fresh moves the whole folder: move what is not Millrace’s out of it first.'

function isOurs(name: string, layout: WorkLayout): boolean {
  const { owner, ownerRecord, epochs, state, manifests, scratch, savepoints, root } = layout
  const places = [owner, ownerRecord, epochs, state, manifests, scratch, savepoints]
  const path = resolve(root, name)
  const isPlace = places.some((place) => resolve(place) === path)
  return isPlace || name === 'control.sock' || path === resolve(temporaryName(ownerRecord))
}

function refuseOutputs(root: string, graph: JobGraph): void {
  for (const { uid, runtime } of graph.vertices.flatMap(({ chain }) => chain)) {
    if (runtime.type !== 'sink') continue
    const folder = runtime.sink.publishes?.folder
    if (folder === undefined || (!isWithin(folder, root) && !isWithin(root, folder))) continue
    const message = `the work folder "${root}" and "${folder}", the output of "${uid}", lie in each other`
    throw new StreamError('WORK_DIR_FOREIGN', message, {
      hint: 'Give state and output a folder each: --work-dir names that of the state.',
    })
  }
}

/** Also when both are the same. */
function isWithin(path: string, folder: string): boolean {
  const full = resolve(folder)
  return `${resolve(path)}${sep}`.startsWith(full.endsWith(sep) ? full : `${full}${sep}`)
}
