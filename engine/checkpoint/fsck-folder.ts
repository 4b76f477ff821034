import { basename, join } from 'node:path'
import type { Files } from '../base/files.ts'
import { exists } from '../base/files.ts'
import { readEpochs } from './epochs.ts'
import { listOrNone } from './folders.ts'
import type { Finding } from './fsck-finding.ts'
import {
  epochName,
  parseEpochName,
  parseManifestName,
  parseStateFileName,
  type WorkLayout,
} from './layout.ts'
import { manifestFiles, type CheckpointManifest } from './manifest.ts'
import { readOwnerRecord } from './ownership.ts'

/** Starts on record, and who holds the folder. */
export async function auditRecords(files: Files, layout: WorkLayout): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  const readable = new Set((await readEpochs(files, layout)).map(({ epoch }) => epochName(epoch)))
  for (const name of await listOrNone(files, layout.epochs)) {
    const file = join(layout.epochs, name)
    if (parseEpochName(name) === undefined) findings.push(odd(file))
    else if (!readable.has(name)) {
      const what =
        'the record of a start cannot be read: a target that it marked is not known as ours'
      findings.push({ level: 'damage', file, what })
    }
  }
  const hasOwner = await exists(files, layout.ownerRecord)
  if (hasOwner && (await readOwnerRecord(files, layout)) === undefined) {
    const what = 'it cannot be read: nobody is named as the owner of the folder'
    findings.push({ level: 'note', file: layout.ownerRecord, what })
  }
  return findings
}

/** Names of a folder that are shown of those that nobody needs. */
const SHOWN_MAX = 3

/** Files in the folders of checkpoints that no manifest names. `isWhole`: all were readable. */
export async function auditExtras(
  files: Files,
  layout: WorkLayout,
  manifests: readonly CheckpointManifest[],
  isWhole: boolean,
): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  for (const name of await listOrNone(files, layout.manifests)) {
    if (parseManifestName(name) === undefined) findings.push(odd(join(layout.manifests, name)))
  }
  const named = new Set(manifests.flatMap(manifestFiles).map(({ path }) => path))
  const staged = join(layout.root, 'staged')
  const unnamed: string[] = []
  for (const folder of [layout.state, staged]) {
    for (const name of await listOrNone(files, folder)) {
      if (!named.has(`${basename(folder)}/${name}`)) unnamed.push(join(folder, name))
    }
  }
  // What an unreadable manifest names cannot be told from what nobody does.
  if (!isWhole || unnamed.length === 0) return findings
  const ours = unnamed.filter((path) => parseStateFileName(basename(path)) !== undefined)
  const ids = new Set(ours.map((path) => parseStateFileName(basename(path))!.checkpointId))
  // A first one may be under way, or was cut short; of several, all but the last are over.
  if (manifests.length === 0 && ids.size > 1) {
    const what = `there is state of ${ids.size} checkpoints and no manifest: none was ever completed, or they are lost`
    findings.push({ level: 'damage', file: layout.manifests, what })
  }
  for (const path of unnamed) if (!ours.includes(path)) findings.push(odd(path))
  if (ours.length > 0) {
    const names = ours.slice(0, SHOWN_MAX).map((path) => basename(path))
    const more = ours.length > SHOWN_MAX ? ', …' : ''
    const what = `${ours.length} in it named by no checkpoint, to be swept or still under way: ${names.join(', ')}${more}`
    findings.push({ level: 'note', file: layout.state, what })
  }
  return findings
}

function odd(file: string): Finding {
  const what = file.endsWith('.tmp')
    ? 'left over from a write that was cut short'
    : 'it is none of ours'
  return { level: 'note', file, what }
}
