import { join } from 'node:path'
import type { Files } from '../engine/base/files.ts'
import { exists } from '../engine/base/files.ts'

/** Removes a folder of ours with all that is in it; one that is not there is fine. */
export async function removeTree(files: Files, path: string): Promise<void> {
  if (!(await exists(files, path))) return
  for (const name of await files.list(path)) {
    const full = join(path, name)
    const info = await files.stat(full)
    if (info.isDirectory) await removeTree(files, full)
    else await files.unlink(full)
  }
  await files.rmdir(path)
}
