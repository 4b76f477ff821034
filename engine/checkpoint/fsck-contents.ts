import { join } from 'node:path'
import type { Files } from '../base/files.ts'
import { readWholeFile } from '../base/files.ts'
import { auditBroadcast, BroadcastState } from '../state/broadcast-state.ts'
import { keyGroupRange } from '../stream/keys.ts'
import { copiesAreEqual, copyToRestore } from './broadcast-copies.ts'
import { damageOf, type Finding } from './fsck-finding.ts'
import { damaged } from './manifest-codec.ts'
import type { CheckpointManifest } from './manifest.ts'
import type { FileReference, OperatorState } from './snapshot.ts'
import { auditChain, auditStateFile, decoding } from './state-audit.ts'

/** What a checkpoint holds, counted while all of it was decoded. */
export interface ContentCounts {
  /** Pieces of keyed state: values, items of lists, entries of maps. */
  readonly values: number
  readonly timers: number
  /** Items of broadcast state. */
  readonly broadcastItems: number
  readonly splits: number
  readonly committables: number
}

/**
 * Decodes all that a checkpoint names; what it cannot is added to `findings`. Its files have been
 * verified, so what is found here was written wrongly, or by a version that knows more.
 */
export async function auditContents(
  files: Files,
  folder: string,
  manifest: CheckpointManifest,
  findings: Finding[],
): Promise<ContentCounts> {
  let [values, timers, broadcastItems] = [0, 0, 0]
  for (const operator of manifest.operators) {
    const keyed = await auditKeyed(files, folder, operator, findings)
    values += keyed.values
    timers += keyed.timers
    broadcastItems += await auditBroadcasts(files, folder, operator, findings)
  }
  const { sources, sinks } = manifest
  return {
    values,
    timers,
    broadcastItems,
    splits: sources.reduce((sum, source) => sum + source.splits.length, 0),
    committables: sinks.reduce((sum, sink) => sum + sink.committables.length, 0),
  }
}

/** Each subtask's chain, in the key groups that are its own: so no two subtasks hold the same. */
async function auditKeyed(
  files: Files,
  folder: string,
  operator: OperatorState,
  findings: Finding[],
): Promise<{ readonly values: number; readonly timers: number }> {
  const { parallelism, maxParallelism } = operator
  let [values, timers] = [0, 0]
  for (const [subtask, { chain }] of operator.subtasks.entries()) {
    if (chain.length === 0) continue
    const range = keyGroupRange(subtask, maxParallelism, parallelism)
    const owner = { range, maxParallelism }
    const named = chain.map((reference) => ({ path: join(folder, reference.path), reference }))
    let isWhole = true
    for (const [index, { path, reference }] of named.entries()) {
      try {
        const { uid } = await auditStateFile(files, path, reference, owner, index === 0)
        if (uid === operator.uid) continue
        findings.push({ level: 'note', file: path, what: `it was written under uid "${uid}"` })
      } catch (error) {
        findings.push(damageOf(error, path))
        isWhole = false
      }
    }
    if (!isWhole) continue
    try {
      const live = await auditChain(files, named, owner)
      values += live.values
      timers += live.timers
    } catch (error) {
      findings.push(damageOf(error, named.at(-1)!.path))
    }
  }
  return { values, timers }
}

/** Each file, and that the subtasks had the same. Returns the items of the copy to restore. */
async function auditBroadcasts(
  files: Files,
  folder: string,
  operator: OperatorState,
  findings: Finding[],
): Promise<number> {
  const { uid, subtasks, declared } = operator
  const restored = copyToRestore(subtasks)
  const isEqual = copiesAreEqual(subtasks, declared?.settings['order'] === 'event-time')
  let items = 0
  for (const { broadcast } of subtasks) {
    const file = broadcast?.file
    if (file === undefined) continue
    const path = join(folder, file.path)
    try {
      if (!isEqual || broadcast!.hash !== file.sha256) {
        throw damaged(path, `subtasks of "${uid}" had other broadcast state`)
      }
      const found = await decoding(path, () => readBroadcast(files, path, file))
      if (file === restored) items = found
    } catch (error) {
      findings.push(damageOf(error, path))
    }
  }
  return items
}

async function readBroadcast(
  files: Files,
  path: string,
  reference: FileReference,
): Promise<number> {
  const bytes = await readWholeFile(files, path)
  new BroadcastState().restore(bytes, { ...reference, path })
  return auditBroadcast(bytes)
}
