import type { Violation } from '../violation.ts'
import type { Invariant } from './invariant.ts'
import type { DiskChange } from '../disk-history.ts'
import { isMarker, publishedName } from '../disk-names.ts'

/**
 * I7: once a process has taken an epoch, or has changed anything that others see, no process that
 * was started before it does.
 */
export const fence: Invariant = ({ run }) => {
  const workFolders = [...new Set(run.lives.map(({ workDir }) => workDir))]
  const found: Violation[] = []
  let owner = 0
  for (const change of run.history.changes) {
    if (change.kind === 'syncDirectory' || !isSeen(change, workFolders)) continue
    if (change.process < owner) {
      const what = `process ${change.process} changed "${change.path}", though process ${owner} has taken over`
      found.push({ invariant: 'I7', what, step: change.step })
    }
    owner = Math.max(owner, change.process)
  }
  return found
}

function isSeen({ kind, path }: DiskChange, workFolders: readonly string[]): boolean {
  if (path.endsWith('.tmp')) return false
  if (kind === 'link' && /\/(epochs|manifests)\/\d+\.json$/.test(path)) return true
  return isMarker(path) || publishedName(path, workFolders) !== undefined
}
