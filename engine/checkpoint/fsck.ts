import { join } from 'node:path'
import { StreamError } from '../base/errors.ts'
import type { Files } from '../base/files.ts'
import { exists, readWholeFile } from '../base/files.ts'
import type { Committer } from '../operator/sink.ts'
import { auditContents, type ContentCounts } from './fsck-contents.ts'
import { damageOf, hasDamage, type Finding } from './fsck-finding.ts'
import { auditExtras, auditRecords } from './fsck-folder.ts'
import { auditTargets } from './fsck-targets.ts'
import { listOrNone } from './folders.ts'
import { formatCheckpointId, parseManifestName, workLayout, type WorkLayout } from './layout.ts'
import { damaged, decodeManifest } from './manifest-codec.ts'
import { manifestFiles, type CheckpointManifest } from './manifest.ts'
import type { FileReference } from './snapshot.ts'
import { verifyFiles } from './verify-files.ts'

/** One checkpoint, held against all that it names. */
export interface CheckpointAudit {
  /** As `2.41`; undefined when its manifest cannot be read. */
  readonly name: string | undefined
  readonly manifest: string
  readonly job?: string
  readonly createdAtMs?: number
  readonly final?: boolean
  readonly drained?: boolean
  /** Files that it names, and their bytes. */
  readonly files: number
  readonly bytes: number
  /** With `deep`, when every file is what was written. */
  readonly contents?: ContentCounts
  readonly findings: readonly Finding[]
}

export interface FolderAudit {
  readonly folder: string
  readonly type: 'work-folder' | 'savepoint'
  readonly isDeep: boolean
  readonly job: string | undefined
  /** Newest first. */
  readonly checkpoints: readonly CheckpointAudit[]
  /** Of the folder itself: records that cannot be read, files that nobody names. */
  readonly findings: readonly Finding[]
}

export interface FsckOptions {
  readonly files: Files
  /** A work folder or a savepoint. */
  readonly folder: string
  /** Decode every file to its last byte, not only compare hashes. */
  readonly deep?: boolean
  /** The targets of the job, by uid: what is staged there and not yet published is looked for. */
  readonly committers?: ReadonlyMap<string, Committer>
}

/**
 * Audits a work folder or a savepoint, whatever it is that happened to it. Changes nothing, needs
 * no job, and may run beside one.
 *
 * A1. A byte of a manifest, or of a file that one names, that is not what was written is damage.
 * A2. What a start would delete or pass over is a note.
 *
 * Throws CHECKPOINT_NOT_FOUND when there is nothing to audit, and what the disk refuses.
 */
export async function auditFolder(options: FsckOptions): Promise<FolderAudit> {
  const { files, folder } = options
  const layout = workLayout(folder)
  const paths = await manifestPaths(files, layout)
  const isWorkFolder =
    (await exists(files, layout.epochs)) || (await exists(files, layout.manifests))
  if (!isWorkFolder && paths.length === 0) {
    throw new StreamError('CHECKPOINT_NOT_FOUND', `"${folder}" holds no checkpoint and no life`, {
      hint: 'Name a work folder, as "millrace run" printed it, or a savepoint. A savepoint without its manifest.json is none: write it anew.',
    })
  }
  const audited: Audited[] = []
  const verified: Verified = new Map()
  for (const path of paths) {
    const found = await auditCheckpoint(options, path, verified)
    // A job that runs here may have dropped it meanwhile, with its files.
    if (hasDamage(found.audit.findings) && !(await exists(files, path))) continue
    audited.push(found)
  }
  const manifests = audited.flatMap(({ manifest }) => (manifest === undefined ? [] : [manifest]))
  const findings: Finding[] = []
  if (isWorkFolder) findings.push(...(await auditRecords(files, layout)))
  const isWhole = manifests.length === audited.length
  findings.push(...(await auditExtras(files, layout, manifests, isWhole)))
  findings.push(
    ...(await auditTargets(files, layout, options.committers, manifests[0], isWorkFolder)),
  )
  return {
    folder,
    type: isWorkFolder ? 'work-folder' : 'savepoint',
    isDeep: options.deep === true,
    job: manifests[0]?.job,
    checkpoints: audited.map(({ audit }) => audit),
    findings,
  }
}

/** Whether every checkpoint there is can be restored as it was written. */
export function isSound({ checkpoints, findings }: FolderAudit): boolean {
  return !hasDamage(findings) && checkpoints.every((checkpoint) => !hasDamage(checkpoint.findings))
}

/** Newest first. A savepoint has its manifest at the top of its folder. */
async function manifestPaths(files: Files, layout: WorkLayout): Promise<readonly string[]> {
  const names = (await listOrNone(files, layout.manifests)).filter(
    (name) => parseManifestName(name) !== undefined,
  )
  const paths = names.map((name) => join(layout.manifests, name)).reverse()
  const own = join(layout.root, 'manifest.json')
  return (await exists(files, own)) ? [own, ...paths] : paths
}

interface Audited {
  readonly audit: CheckpointAudit
  readonly manifest?: CheckpointManifest
}

/** What is known of files already: checkpoints share them. */
type Verified = Map<string, Promise<Finding | undefined>>

async function auditCheckpoint(
  options: FsckOptions,
  path: string,
  verified: Verified,
): Promise<Audited> {
  const { files, folder } = options
  const findings: Finding[] = []
  const manifest = await readManifest(files, path, findings)
  if (manifest === undefined) {
    const audit = { name: undefined, manifest: path, files: 0, bytes: 0, findings }
    return { audit }
  }
  const named = manifestFiles(manifest)
  for (const file of named) {
    const key = `${file.path} ${file.bytes} ${file.sha256}`
    const found = verified.get(key) ?? findingOf(verifyFiles(files, folder, [file]), folder, file)
    verified.set(key, found)
    const finding = await found
    if (finding !== undefined) findings.push(finding)
  }
  findings.push(...contradictions(folder, manifest, named))
  let contents: ContentCounts | undefined
  if (options.deep === true && findings.length === 0) {
    contents = await auditContents(files, folder, manifest, findings)
  }
  const { checkpointId, job, createdAtMs, final, drained } = manifest
  return {
    manifest,
    audit: {
      name: formatCheckpointId(checkpointId),
      manifest: path,
      ...{ job, createdAtMs, final, drained },
      files: named.length,
      bytes: named.reduce((sum, { bytes }) => sum + bytes, 0),
      ...(contents === undefined ? {} : { contents }),
      findings,
    },
  }
}

async function readManifest(
  files: Files,
  path: string,
  findings: Finding[],
): Promise<CheckpointManifest | undefined> {
  try {
    const manifest = decodeManifest(await readWholeFile(files, path), path)
    const name = path.slice(path.lastIndexOf('/') + 1)
    const id = parseManifestName(name)
    if (id !== undefined && id !== manifest.checkpointId) {
      throw damaged(path, `it is of checkpoint ${formatCheckpointId(manifest.checkpointId)}`)
    }
    return manifest
  } catch (error) {
    findings.push(damageOf(error, path))
    return undefined
  }
}

/** One path stands for one file: two references to it that differ cannot both be right. */
function contradictions(
  folder: string,
  manifest: CheckpointManifest,
  named: readonly FileReference[],
): readonly Finding[] {
  const byPath = new Map(named.map((file) => [file.path, file]))
  const all = manifest.operators.flatMap(({ subtasks }) =>
    subtasks.flatMap(({ chain, broadcast }) => [
      ...chain,
      ...(broadcast?.file === undefined ? [] : [broadcast.file]),
    ]),
  )
  return all
    .filter(({ path, sha256 }) => byPath.get(path)!.sha256 !== sha256)
    .map(({ path }) => ({
      level: 'damage',
      file: join(folder, path),
      what: 'the manifest says two things of it',
    }))
}

async function findingOf(
  check: Promise<void>,
  folder: string,
  file: FileReference,
): Promise<Finding | undefined> {
  try {
    await check
    return undefined
  } catch (error) {
    return damageOf(error, join(folder, file.path))
  }
}
