import type { OperatorState } from '../../checkpoint/snapshot.ts'
import type { SeenManifest } from '../disk-history.ts'
import type { Violation } from '../violation.ts'
import type { Invariant } from './invariant.ts'
import { formatCheckpointId } from '../../checkpoint/layout.ts'
import { keyOfText } from '../../state/key-text.ts'
import { keyHash } from '../../stream/key-codec.ts'
import { keyGroupOf, keyGroupRange, type KeyGroupRange } from '../../stream/keys.ts'
import { keysOf, rangeOf } from '../state-contents.ts'

/**
 * I9: in every checkpoint each key of a step is with one subtask, the one that has its key group,
 * whatever the parallelism was before:
 *
 * - what the subtasks of the step have are ranges that follow each other and leave no group out;
 * - each file of a subtask's chain was written for that step, subtask and range;
 * - each key in it lies in the key group that it belongs to, and that is one of the range.
 */
export const keyGroups: Invariant = ({ run }) => {
  const found: Violation[] = []
  const { manifests, stateFiles } = run.history
  const seen = new Map<string, string | undefined>()
  for (const manifest of manifests) {
    for (const operator of manifest.manifest.operators) {
      const what = firstMisdeal(manifest, operator, stateFiles, seen)
      if (what === undefined) continue
      const id = formatCheckpointId(manifest.manifest.checkpointId)
      found.push({ invariant: 'I9', what: `checkpoint ${id}: ${what}`, step: manifest.at.step })
    }
  }
  return found
}

interface Owner {
  readonly uid: string
  readonly subtask: number
  readonly range: KeyGroupRange
  readonly maxParallelism: number
}

/** `seen`: files that were read for a checkpoint before, and what was wrong with each. */
function firstMisdeal(
  { folder }: SeenManifest,
  { uid, maxParallelism, parallelism, subtasks }: OperatorState,
  files: ReadonlyMap<string, Uint8Array>,
  seen: Map<string, string | undefined>,
): string | undefined {
  if (subtasks.length !== parallelism) {
    return `"${uid}" has ${subtasks.length} subtasks at parallelism ${parallelism}`
  }
  let next = 0
  for (const [subtask, { chain }] of subtasks.entries()) {
    const range = keyGroupRange(subtask, maxParallelism, parallelism)
    if (range.first !== next) return `key group ${next} of "${uid}" is not with one subtask`
    next = range.last + 1
    const owner = { uid, subtask, range, maxParallelism }
    for (const { path } of chain) {
      const name = `${folder}/${path}`
      // A name is never used twice, and its file belongs to one subtask for good.
      const key = `${name} ${subtask} ${parallelism}`
      if (!seen.has(key)) seen.set(key, misplacedIn(name, files.get(name), owner))
      const what = seen.get(key)
      if (what !== undefined) return what
    }
  }
  return next === maxParallelism ? undefined : `key group ${next} of "${uid}" is with nobody`
}

function misplacedIn(
  path: string,
  bytes: Uint8Array | undefined,
  { uid, subtask, range, maxParallelism }: Owner,
): string | undefined {
  const header = bytes === undefined ? undefined : rangeOf(bytes)
  if (header === undefined) return `"${path}" is no file of state`
  if (header.uid !== uid || header.subtask !== subtask) {
    return `subtask ${subtask} of "${uid}" has state of subtask ${header.subtask} of "${header.uid}"`
  }
  const { first, last } = header.range
  const isOwn = first === range.first && last === range.last
  if (!isOwn || header.maxParallelism !== maxParallelism) {
    return `subtask ${subtask} of "${uid}" has key groups ${range.first} to ${range.last}, and state of ${first} to ${last}`
  }
  for (const { keyGroup, key } of keysOf(bytes!)) {
    const value = keyOfText(key)
    const own = keyGroupOf(keyHash(value), maxParallelism)
    if (own === keyGroup && own >= first && own <= last) continue
    return `key ${JSON.stringify(value)} of "${uid}", of key group ${own}, is with subtask ${subtask} in ${keyGroup}`
  }
  return undefined
}
