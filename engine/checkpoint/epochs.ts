import { join } from 'node:path'
import { StreamError } from '../base/errors.ts'
import type { Files } from '../base/files.ts'
import { makeDirectories, readWholeFile, writeDurably } from '../base/files.ts'
import { listOrNone } from './folders.ts'
import { EPOCH_MAX, epochName, parseEpochName, temporaryName, type WorkLayout } from './layout.ts'
import { checkLineage, Malformed } from './manifest-check.ts'
import type { Lineage } from './manifest.ts'
import { sealJson, unsealJson } from './sealed-json.ts'

/**
 * One start of a job in its work folder, also called a life.
 *
 * E1. A number is given out once: its file is made exclusively and durable before anything else.
 * E2. A number is above that of every earlier start, and of every checkpoint that was restored.
 * E3. A record with a single byte changed is none: it says what was dropped and renamed already.
 */
export interface Epoch {
  readonly epoch: number
  /** Random: tells this life from one in a copy of the folder. */
  readonly instance: string
  readonly pid: number
  readonly job: string
  readonly lineage: Lineage
  /** What this start was told to drop (`--drop-state`), if anything. */
  readonly dropped?: readonly string[]
  /** What it was told to rename: `old=new`, `uid:old=new`, `job old`. */
  readonly renamed?: readonly string[]
}

/** Makes the next epoch, above `above`, durable. Called by the owner of the folder only. */
export async function beginEpoch(
  files: Files,
  layout: WorkLayout,
  life: Omit<Epoch, 'epoch'>,
  above = 0,
): Promise<Epoch> {
  await makeDirectories(files, layout.epochs)
  const names = await listOrNone(files, layout.epochs)
  const epoch = nextEpochNumber(lastOf(names), above)
  if (epoch > EPOCH_MAX) {
    throw new StreamError('WORK_DIR_FOREIGN', `"${layout.root}" has seen ${EPOCH_MAX} starts`, {
      hint: 'Take a savepoint and go on from it in another work folder with --fork.',
    })
  }
  const path = join(layout.epochs, epochName(epoch))
  const bytes = sealJson(JSON.stringify({ epoch, ...life }))
  await writeDurably(files, path, bytes, { replace: false, temporary: temporaryName(path) })
  // Starts that were cut short leave theirs.
  const lost = names.filter(
    (name) => name.endsWith(temporaryName('')) && join(layout.epochs, name) !== temporaryName(path),
  )
  for (const name of lost) await files.unlink(join(layout.epochs, name))
  return { epoch, ...life }
}

/** E2. Pure: `last` is the last start of the folder, `above` the epoch of what is restored. */
export function nextEpochNumber(last: number, above: number): number {
  return Math.max(last, above) + 1
}

/** 0: there was no start yet. */
export async function lastEpochNumber(files: Files, layout: WorkLayout): Promise<number> {
  return lastOf(await listOrNone(files, layout.epochs))
}

function lastOf(names: readonly string[]): number {
  return names.reduce((last, name) => Math.max(last, parseEpochName(name) ?? 0), 0)
}

/** All starts on record, oldest first. One that cannot be read is left out; its number is used. */
export async function readEpochs(files: Files, layout: WorkLayout): Promise<readonly Epoch[]> {
  const epochs: Epoch[] = []
  for (const name of await listOrNone(files, layout.epochs)) {
    if (parseEpochName(name) === undefined) continue
    const epoch = decodeEpoch(await readWholeFile(files, join(layout.epochs, name)))
    if (epoch !== undefined) epochs.push(epoch)
  }
  return epochs
}

/** Records kept besides those that a marker can still name. */
const EPOCHS_KEPT = 1_000

/**
 * Drops records so old that no target can name them: every life that took a checkpoint has claimed
 * its sinks, so a marker is of the oldest kept checkpoint's epoch or a later one.
 */
export async function pruneEpochs(
  files: Files,
  layout: WorkLayout,
  oldestKept: number,
): Promise<void> {
  const names = await listOrNone(files, layout.epochs)
  const last = await lastEpochNumber(files, layout)
  for (const name of names) {
    const epoch = parseEpochName(name)
    if (epoch === undefined || epoch >= oldestKept || epoch > last - EPOCHS_KEPT) continue
    await files.unlink(join(layout.epochs, name))
  }
}

function decodeEpoch(bytes: Uint8Array): Epoch | undefined {
  const unsealed = unsealJson(bytes)
  if (unsealed.type === 'changed') return undefined
  try {
    // The first versions wrote records without a hash: those have no field but ours.
    const isPlain = unsealed.type === 'no-seal'
    const json = isPlain ? new TextDecoder().decode(bytes) : unsealed.json
    const value = JSON.parse(json) as Partial<Epoch> | null
    if (typeof value?.epoch !== 'number' || typeof value.instance !== 'string') return undefined
    if (isPlain && !Object.keys(value).every((name) => FIELDS.has(name))) return undefined
    const { dropped, renamed } = value
    return {
      epoch: value.epoch,
      instance: value.instance,
      pid: typeof value.pid === 'number' ? value.pid : 0,
      job: typeof value.job === 'string' ? value.job : '',
      lineage: checkLineage(value.lineage),
      ...(Array.isArray(dropped) ? { dropped: dropped.map(String) } : {}),
      ...(Array.isArray(renamed) ? { renamed: renamed.map(String) } : {}),
    }
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof Malformed) return undefined
    throw error
  }
}

const FIELDS: ReadonlySet<string> = new Set([
  'epoch',
  'instance',
  'pid',
  'job',
  'lineage',
  'dropped',
])
