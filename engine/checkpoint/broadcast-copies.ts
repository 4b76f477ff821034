import type { FileReference, OperatorSubtaskState } from './snapshot.ts'

/**
 * Whether the copies of a broadcast state are what they must be: equal in all subtasks; in
 * event-time order, where each subtask applies what has arrived by its watermark, in all subtasks
 * of one watermark.
 */
export function copiesAreEqual(
  subtasks: readonly OperatorSubtaskState[],
  isOrdered: boolean,
): boolean {
  const hashes = new Map<number, string>()
  for (const { broadcast, watermarkMs } of subtasks) {
    if (broadcast === undefined) continue
    const at = isOrdered ? watermarkMs : 0
    const { hash } = broadcast
    if ((hashes.get(at) ?? hash) !== hash) return false
    hashes.set(at, hash)
  }
  return true
}

/** The copy to restore from: of the least watermark. The others have applied more of the same. */
export function copyToRestore(
  subtasks: readonly OperatorSubtaskState[],
): FileReference | undefined {
  const stored = subtasks.filter(({ broadcast }) => broadcast?.file !== undefined)
  return furthestBehind(stored)?.broadcast?.file
}

/** Of several with the least watermark the first. */
export function furthestBehind<T extends { readonly watermarkMs: number }>(
  all: readonly T[],
): T | undefined {
  let found: T | undefined
  for (const one of all) {
    if (found === undefined || one.watermarkMs < found.watermarkMs) found = one
  }
  return found
}
