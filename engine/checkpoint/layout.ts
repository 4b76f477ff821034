import { join } from 'node:path'
import { assert } from '../base/assert.ts'
import { sha256Hex } from '../base/hash.ts'
import type { CheckpointId } from '../stream/elements.ts'

/**
 * Where things lie in a work folder, and how they are named.
 *
 *     <work>/owner/        an empty LevelDB, held open by the one engine that runs here
 *     <work>/owner.json    who that is
 *     <work>/epochs/       one file a start: <epoch, 8 digits>.json
 *     <work>/state/        files of checkpoints: <uid hash>-<subtask>-<checkpoint id>-<sequence>
 *     <work>/manifests/    one file a complete checkpoint: <checkpoint id, 16 digits>.json
 *     <work>/scratch/      what may be lost at any moment
 *     <work>/savepoints/   savepoints for which no other place was named
 *
 * N1. A checkpoint id is epoch × 2^32 + counter, so ids increase over all lives of a folder.
 * N2. A name holds the id under which it was made, so no name is ever used twice.
 */
export interface WorkLayout {
  readonly root: string
  readonly owner: string
  readonly ownerRecord: string
  readonly epochs: string
  readonly state: string
  readonly manifests: string
  readonly scratch: string
  readonly savepoints: string
}

/** The folder that was named for the state of a job, or its own among those of all jobs. */
export function workFolderOf(
  { workDir, workRoot }: { readonly workDir?: string; readonly workRoot: string },
  job: string,
): string {
  return workDir ?? join(workRoot, job)
}

export function workLayout(root: string): WorkLayout {
  return {
    root,
    owner: join(root, 'owner'),
    ownerRecord: join(root, 'owner.json'),
    epochs: join(root, 'epochs'),
    state: join(root, 'state'),
    manifests: join(root, 'manifests'),
    scratch: join(root, 'scratch'),
    savepoints: join(root, 'savepoints'),
  }
}

const COUNTERS = 2 ** 32
/** So that every id is a safe integer. */
export const EPOCH_MAX = 2 ** 21 - 1

export function checkpointIdOf(epoch: number, counter: number): CheckpointId {
  assert(Number.isInteger(epoch) && epoch >= 1 && epoch <= EPOCH_MAX, 'epoch out of range')
  assert(Number.isInteger(counter) && counter >= 0 && counter < COUNTERS, 'counter out of range')
  return epoch * COUNTERS + counter
}

export function epochOf(id: CheckpointId): number {
  return Math.floor(id / COUNTERS)
}

export function counterOf(id: CheckpointId): number {
  return id % COUNTERS
}

/** For people: `2.41` is the 41st checkpoint of the folder's second start. */
export function formatCheckpointId(id: CheckpointId): string {
  return `${epochOf(id)}.${counterOf(id)}`
}

/** What stands for a uid in file names: 16 hex digits, so any uid will do. */
export function uidHash(uid: string): string {
  return sha256Hex(uid).slice(0, 16)
}

export function stateFileName(
  hash: string,
  subtask: number,
  id: CheckpointId,
  sequence: number,
): string {
  return `${hash}-${subtask}-${id}-${sequence}`
}

export interface StateFileName {
  readonly uidHash: string
  readonly subtask: number
  readonly checkpointId: CheckpointId
  readonly sequence: number
  /** Still being written, or left over from a write that was cut short. */
  readonly isTemporary: boolean
}

const STATE_FILE = /^([0-9a-f]{16})-(\d{1,6})-(\d{1,16})-(\d{1,16})(\.tmp)?$/

/** Undefined for a name that is not one of ours: such a file is never touched. */
export function parseStateFileName(name: string): StateFileName | undefined {
  const match = STATE_FILE.exec(name)
  if (match === null) return undefined
  return {
    uidHash: match[1]!,
    subtask: Number(match[2]),
    checkpointId: Number(match[3]),
    sequence: Number(match[4]),
    isTemporary: match[5] !== undefined,
  }
}

/** Sixteen digits, so that the order of names is the order of ids. */
export function manifestName(id: CheckpointId): string {
  return `${String(id).padStart(16, '0')}.json`
}

export function parseManifestName(name: string): CheckpointId | undefined {
  return /^\d{16}\.json$/.test(name) ? Number(name.slice(0, 16)) : undefined
}

export function epochName(epoch: number): string {
  return `${String(epoch).padStart(8, '0')}.json`
}

export function parseEpochName(name: string): number | undefined {
  return /^\d{8}\.json$/.test(name) ? Number(name.slice(0, 8)) : undefined
}

/** What a write that was cut short leaves behind, in any of our folders. */
export function temporaryName(path: string): string {
  return `${path}.tmp`
}
