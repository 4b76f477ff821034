import { basename, join, resolve } from 'node:path'
import { StreamError } from '../engine/base/errors.ts'
import { exists, systemFiles } from '../engine/base/files.ts'

/**
 * The folder that a person means by `<work-dir>`: a path, or the name of a job for
 * `.millrace/<name>`. Throws USAGE when there is neither.
 */
export async function findWorkFolder(given: string): Promise<string> {
  const path = resolve(given)
  const isThere = await exists(systemFiles, path)
  if (isThere && (await systemFiles.stat(path)).isDirectory) return path
  const byName = resolve(join('.millrace', given))
  if (basename(given) === given && (await exists(systemFiles, byName))) return byName
  const hint = 'Name the work folder of a job, as "millrace run" printed it.'
  if (isThere) throw new StreamError('USAGE', `"${given}" is a file, not a work folder`, { hint })
  throw new StreamError('USAGE', `there is no work folder "${given}", nor ".millrace/${given}"`, {
    hint,
  })
}
