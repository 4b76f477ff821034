import { basename } from 'node:path'
import type { OperatorState } from '../../checkpoint/snapshot.ts'
import type { DiskHistory, SeenManifest } from '../disk-history.ts'
import type { FileRange } from '../state-ranges.ts'
import type { Violation } from '../violation.ts'
import type { Invariant } from './invariant.ts'
import { epochOf, formatCheckpointId, parseStateFileName } from '../../checkpoint/layout.ts'

/**
 * I9: in every checkpoint the key groups of a step are dealt out whole, each to one subtask: files
 * that subtasks of one life wrote do not overlap, and when each subtask has a chain, these
 * leave no group out.
 */
export const keyGroups: Invariant = ({ run }) => {
  const found: Violation[] = []
  for (const seen of run.history.manifests) {
    for (const operator of seen.manifest.operators) {
      const what = firstMisdeal(run.history, seen, operator)
      if (what === undefined) continue
      const id = formatCheckpointId(seen.manifest.checkpointId)
      found.push({ invariant: 'I9', what: `checkpoint ${id}: ${what}`, step: seen.at.step })
    }
  }
  return found
}

interface Owned extends FileRange {
  readonly epoch: number
}

function firstMisdeal(
  history: DiskHistory,
  { folder }: SeenManifest,
  { uid, maxParallelism, subtasks }: OperatorState,
): string | undefined {
  const files = subtasks.flatMap(({ chain }) =>
    chain.flatMap(({ path }): Owned[] => {
      const range = history.ranges.get(`${folder}/${path}`)
      const name = parseStateFileName(basename(path))
      return range === undefined || name === undefined
        ? []
        : [{ ...range, epoch: epochOf(name.checkpointId) }]
    }),
  )
  /** By epoch, then by key group. */
  const owners = new Map<number, Map<number, number>>()
  const covered = new Set<number>()
  for (const { epoch, subtask, range } of files) {
    const ofEpoch = owners.get(epoch) ?? new Map<number, number>()
    owners.set(epoch, ofEpoch)
    for (let group = range.first; group <= range.last; group += 1) {
      covered.add(group)
      const owner = ofEpoch.get(group) ?? subtask
      if (owner !== subtask) {
        return `key group ${group} of "${uid}" is with subtask ${owner} and subtask ${subtask}`
      }
      ofEpoch.set(group, subtask)
    }
  }
  // A subtask that never had a key has no file.
  if (subtasks.some(({ chain }) => chain.length === 0)) return undefined
  for (let group = 0; files.length > 0 && group < maxParallelism; group += 1) {
    if (!covered.has(group)) return `key group ${group} of "${uid}" is with nobody`
  }
  return undefined
}
