import type { SourceCoordinator } from './source-coordinator.ts'
import { StreamError } from '../base/errors.ts'

/** Puts the name of a split, and what its offsets count, where a task knows only its number. */
export function withSplitName(
  error: StreamError,
  sources: readonly SourceCoordinator[],
): StreamError {
  const { splitIndex: index, ...place } = error.place
  if (index === undefined) return error
  for (const source of sources) {
    const found = source.placeOf(index)
    if (found === undefined) continue
    const data = error.toData()
    return StreamError.fromData({ ...data, place: { ...found, ...place } })
  }
  return error
}
