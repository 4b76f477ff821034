import type { SourceCoordinator } from './source-coordinator.ts'
import { StreamError } from '../base/errors.ts'

/** Puts the name of a split where a task knows only its number. */
export function withSplitName(
  error: StreamError,
  sources: readonly SourceCoordinator[],
): StreamError {
  const { splitIndex: index, ...place } = error.place
  if (index === undefined) return error
  for (const source of sources) {
    const split = source.splitId(index)
    if (split === undefined) continue
    const data = error.toData()
    return StreamError.fromData({ ...data, place: { split, ...place } })
  }
  return error
}
