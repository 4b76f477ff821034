import { join } from 'node:path'
import { StreamError } from '../base/errors.ts'
import type { Files } from '../base/files.ts'
import { errnoOf } from '../base/files.ts'
import type { Json } from '../base/json.ts'
import type { Committable, Committer, TargetMarker } from '../operator/sink.ts'
import type { Finding } from './fsck-finding.ts'
import { formatCheckpointId, manifestName, type WorkLayout } from './layout.ts'
import type { CheckpointManifest } from './manifest.ts'

/**
 * What the latest checkpoint has still to publish, at the targets themselves: a staged file above
 * the target's marker that is missing, or has not its length, would be a loud failure at the next
 * start. A savepoint brings its own copies.
 */
export async function auditTargets(
  files: Files,
  layout: WorkLayout,
  committers: ReadonlyMap<string, Committer> | undefined,
  latest: CheckpointManifest | undefined,
  isWorkFolder: boolean,
): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  for (const [uid, committer] of committers ?? []) {
    try {
      const marker = await committer.readMarker()
      if (isWorkFolder) findings.push(...behind(layout, uid, marker, latest))
      const pending = latest?.sinks.find((sink) => sink.uid === uid)?.committables ?? []
      const carried = new Set(latest?.staged.map(({ original }) => original))
      for (const committable of pending) {
        if (committable.bornAt <= publishedUpTo(marker, latest)) continue
        for (const path of committer.stagedFiles([committable])) {
          if (!carried.has(path)) findings.push(...(await auditStaged(files, path, committable)))
        }
      }
    } catch (error) {
      if (!(error instanceof StreamError)) throw error
      findings.push({ level: 'damage', file: uid, what: error.message })
    }
  }
  return findings
}

/** Another lineage's marker says nothing of ours. */
function publishedUpTo(
  marker: TargetMarker | undefined,
  latest: CheckpointManifest | undefined,
): number {
  return marker !== undefined && marker.lineage === latest?.lineage.id ? marker.checkpointId : 0
}

/** The only trace that a manifest leaves when it is gone. */
function behind(
  layout: WorkLayout,
  uid: string,
  marker: TargetMarker | undefined,
  latest: CheckpointManifest | undefined,
): readonly Finding[] {
  if (marker === undefined || marker.checkpointId <= (latest?.checkpointId ?? 0)) return []
  if (latest !== undefined && marker.lineage !== latest.lineage.id) return []
  const what = `it is missing: the target of "${uid}" holds output up to checkpoint ${formatCheckpointId(marker.checkpointId)}`
  return [
    { level: 'damage', file: join(layout.manifests, manifestName(marker.checkpointId)), what },
  ]
}

async function auditStaged(
  files: Files,
  file: string,
  committable: Committable,
): Promise<readonly Finding[]> {
  const whose = `checkpoint ${formatCheckpointId(committable.bornAt)} has it to publish at "${committable.uid}"`
  try {
    const { bytes } = await files.stat(file)
    const expected = lengthOf(committable.effect)
    if (expected === undefined || expected === bytes) return []
    return [{ level: 'damage', file, what: `it has ${bytes} bytes, not ${expected}: ${whose}` }]
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'ENOTDIR') throw error
    return [{ level: 'damage', file, what: `it is missing: ${whose}` }]
  }
}

/** An effect that says how long its file is, as those of file sinks do, is held to it. */
function lengthOf(effect: Json): number | undefined {
  if (typeof effect !== 'object' || effect === null || Array.isArray(effect)) return undefined
  const bytes = (effect as Readonly<Record<string, Json>>)['bytes']
  return typeof bytes === 'number' ? bytes : undefined
}
