import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import type { Doors } from '../base/doors.ts'
import { makeDirectories } from '../base/files.ts'
import { listOrNone, removeTree } from '../checkpoint/folders.ts'
import { systemProcesses, type Processes } from '../checkpoint/processes.ts'

/**
 * Makes the folder for the bundle of one run: `<workRoot>/.bundles/<pid>-<random>`, this process's
 * own. Who makes it removes it; those of processes that are gone, killed before they could, are
 * removed here. No job has a name that begins with a dot.
 *
 * Where the work root cannot be written (the work folder may lie elsewhere) it is temporary.
 */
export async function makeBundleFolder(
  { files, random }: Pick<Doors, 'files' | 'random'>,
  workRoot: string,
  processes: Processes = systemProcesses,
): Promise<string> {
  const bundles = join(workRoot, BUNDLES)
  const name = `${processes.pid}-${random.hex(8)}`
  try {
    await makeDirectories(files, bundles)
    await sweep(files, bundles, processes)
    await files.mkdir(join(bundles, name))
    return join(bundles, name)
  } catch {
    return join(tmpdir(), `millrace-${name}`)
  }
}

/** Removes it, and the folders above it that are empty then: a start that was refused leaves none. */
export async function removeBundleFolder(files: Doors['files'], folder: string): Promise<void> {
  await removeTree(files, folder)
  const bundles = dirname(folder)
  if (basename(bundles) !== BUNDLES) return
  for (const path of [bundles, dirname(bundles)]) {
    try {
      await files.rmdir(path)
    } catch {
      // Others have something there.
      return
    }
  }
}

const BUNDLES = '.bundles'

/** Two starts may sweep at once: what the other has removed is no error. */
async function sweep(files: Doors['files'], bundles: string, processes: Processes): Promise<void> {
  for (const name of await listOrNone(files, bundles)) {
    const owner = /^(\d+)-/.exec(name)?.[1]
    if (owner === undefined) continue
    if ((await processes.inspect(Number(owner))).type === 'alive') continue
    await removeTree(files, join(bundles, name)).catch(() => undefined)
  }
}
