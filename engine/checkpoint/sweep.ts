import type { CheckpointId } from '../stream/elements.ts'
import { epochOf, parseStateFileName } from './layout.ts'
import { manifestFiles, type CheckpointManifest } from './manifest.ts'

export interface SweepFacts {
  /** Names in `state/`. */
  readonly present: readonly string[]
  /** Every manifest that stays. The latest is the last. */
  readonly retained: readonly CheckpointManifest[]
  /** Manifests that have just been dropped. */
  readonly dropped: readonly CheckpointManifest[]
  /** Of the life that sweeps: its files may be about to be named. */
  readonly epoch: number
}

/**
 * Which complete checkpoints stay: the last `retain`, and all from `keepFrom` on. Pure. `ids` are
 * all there are, oldest first.
 */
export function planRetention(
  ids: readonly CheckpointId[],
  retain: number,
  keepFrom: CheckpointId,
): ReadonlySet<CheckpointId> {
  return new Set(ids.filter((id, index) => index >= ids.length - retain || id >= keepFrom))
}

/**
 * Which files in `state/` are of no use to anybody. Pure.
 *
 * W1. A file that a retained manifest names stays.
 * W2. A file of an earlier life goes when no retained manifest names it and a later checkpoint is
 *     complete: nobody is left who could.
 * W3. A file of this life goes only when a dropped manifest named it and no retained one does.
 *     One that no manifest has named yet may be the base or delta of the next.
 * W4. A name that is not ours is never touched.
 */
export function planSweep(facts: SweepFacts): readonly string[] {
  const latest = facts.retained.at(-1)
  if (latest === undefined) return []
  const named = namesOf(facts.retained)
  const dropped = namesOf(facts.dropped)
  return facts.present.filter((name) => {
    const file = parseStateFileName(name)
    if (file === undefined || named.has(name)) return false
    if (epochOf(file.checkpointId) >= facts.epoch) return dropped.has(name)
    return file.checkpointId <= latest.checkpointId
  })
}

function namesOf(manifests: readonly CheckpointManifest[]): ReadonlySet<string> {
  const names = new Set<string>()
  for (const manifest of manifests) {
    for (const { path } of manifestFiles(manifest)) {
      if (path.startsWith('state/')) names.add(path.slice('state/'.length))
    }
  }
  return names
}
