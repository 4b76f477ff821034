/**
 * A file of keyed state: a base or a delta. Written once, never changed.
 *
 * ```
 * file   := "MRSTATE1"  headerLength: uint32  crc32c: uint32  header: JSON  block*  index  tail
 * index  := (keyGroup: count  offset: count  bytes: count  cells: count)*
 * tail   := indexOffset: float64  indexLength: uint32  crc32c: uint32  "MRSTATE1"
 * ```
 *
 * The header says all that reading needs, the schemas the values were written with among it; so
 * files of different ages of a job stand in one chain.
 */
import { dirname } from 'node:path'
import { crc32c } from '@node-rs/crc32'
import { StreamError } from '../base/errors.ts'
import type { FileHandle, Files } from '../base/files.ts'
import { errnoOf } from '../base/files.ts'
import { Sha256 } from '../base/hash.ts'
import type { FileReference } from '../checkpoint/snapshot.ts'
import { ByteReader, ByteWriter } from '../stream/byte-buffer.ts'
import type { KeyGroupRange } from '../stream/keys.ts'
import type { StateDescriptor } from './state.ts'
import type { StateChange } from './state-changes.ts'
import { changedState } from './state-changes.ts'
import type { CellRun, GroupIndex, MemoryRun } from './cell-run.ts'
import { BlockBuilder } from './cell-run.ts'

export const STATE_FORMAT_VERSION = 1

/** A state as files know it. Ids are given once in a chain and never change their meaning. */
export interface StateIdentity {
  readonly id: number
  readonly descriptor: StateDescriptor
}

export interface StateFileHeader {
  readonly version: number
  readonly codecVersion: number
  readonly uid: string
  readonly subtask: number
  readonly maxParallelism: number
  readonly range: KeyGroupRange
  readonly states: readonly StateIdentity[]
  /** Not in files: ids of states that the job has dropped. Their cells are skipped. */
  readonly dropped?: readonly number[]
}

const MAGIC = Buffer.from('MRSTATE1', 'latin1')
const FRONT_BYTES = 16
const TAIL_BYTES = 24
/** Bytes of one write: hashing them stays well below a slice. */
const WRITE_BYTES = 256 * 1_024
const READ_BYTES = 256 * 1_024

export interface FinishedFile {
  readonly bytes: number
  readonly sha256: string
  readonly groups: readonly GroupIndex[]
}

/** Writes one run as a file. Owns its handle: `finish` or `abandon` ends it. */
export class StateFileWriter {
  readonly builder: BlockBuilder
  readonly #files: Files
  readonly #path: string
  readonly #handle: FileHandle
  readonly #hash = new Sha256()
  #waiting: Uint8Array[] = []
  #waitingBytes = 0
  #bytes = 0
  #groups: readonly GroupIndex[] | undefined

  private constructor(files: Files, path: string, handle: FileHandle, front: Uint8Array) {
    this.#files = files
    this.#path = path
    this.#handle = handle
    this.#append(front)
    this.builder = new BlockBuilder((block) => {
      this.#append(block)
    }, front.length)
  }

  static async create(
    files: Files,
    path: string,
    header: StateFileHeader,
  ): Promise<StateFileWriter> {
    const handle = await files.open(path, 'create')
    return new StateFileWriter(files, path, handle, encodeFront(header))
  }

  /** After a cell was added: a promise when enough has gathered to be written. */
  drain(): Promise<void> | undefined {
    return this.#waitingBytes < WRITE_BYTES ? undefined : this.#write()
  }

  /** Appends all of a run as it is; nothing goes through the builder then. */
  async appendRun(run: MemoryRun): Promise<void> {
    const start = this.#bytes
    this.#groups = run.groups.map((group) => ({ ...group, offset: group.offset + start }))
    for (const block of run.blocks) {
      this.#append(block)
      await this.drain()
    }
  }

  async finish(options: { readonly durable: boolean }): Promise<FinishedFile> {
    this.builder.finish()
    const groups = this.#groups ?? this.builder.groups
    this.#append(encodeIndex(groups, this.#bytes))
    await this.#write()
    if (options.durable) await this.#handle.sync()
    await this.#handle.close()
    if (options.durable) await this.#files.syncDirectory(dirname(this.#path))
    return { bytes: this.#bytes, sha256: this.#hash.hex(), groups }
  }

  /** Closes and removes what there is; never throws. */
  async abandon(): Promise<void> {
    await this.#handle.close().catch(() => undefined)
    await this.#files.unlink(this.#path).catch(() => undefined)
  }

  #append(bytes: Uint8Array): void {
    this.#waiting.push(bytes)
    this.#waitingBytes += bytes.length
    this.#bytes += bytes.length
  }

  async #write(): Promise<void> {
    const bytes = Buffer.concat(this.#waiting, this.#waitingBytes)
    this.#waiting = []
    this.#waitingBytes = 0
    this.#hash.update(bytes)
    await this.#handle.write(bytes)
  }
}

/** A state file open for reading. */
export class StateFile implements CellRun {
  readonly path: string
  readonly header: StateFileHeader
  readonly groups: readonly GroupIndex[]
  readonly #handle: FileHandle
  /** A merge reads from front to back, and waits a turn of the worker's loop for each read. */
  #ahead: Uint8Array = new Uint8Array(0)
  #aheadOffset = 0

  private constructor(
    path: string,
    header: StateFileHeader,
    groups: readonly GroupIndex[],
    handle: FileHandle,
  ) {
    this.path = path
    this.header = header
    this.groups = groups
    this.#handle = handle
  }

  /**
   * Checks size, header and index; `verify` checks the rest. Damage is CHECKPOINT_DAMAGED. The
   * header is given as `changes` make it.
   */
  static async open(
    files: Files,
    path: string,
    reference?: FileReference,
    changes: readonly StateChange[] = [],
  ): Promise<StateFile> {
    const handle = await openExisting(files, path)
    try {
      const size = await handle.size()
      if (reference !== undefined && size !== reference.bytes) {
        throw damaged(path, `has ${size} bytes, the checkpoint says ${reference.bytes}`)
      }
      const header = changedHeader(await readHeader(handle, path), changes)
      return new StateFile(path, header, await readIndex(handle, path, size), handle)
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  /** Reads the whole file and compares its SHA-256. */
  async verify(reference: FileReference): Promise<void> {
    const hash = new Sha256()
    for (let at = 0; at < reference.bytes; at += READ_BYTES) {
      hash.update(await this.#handle.read(at, READ_BYTES))
    }
    const found = hash.hex()
    if (found !== reference.sha256) {
      throw damaged(this.path, `has SHA-256 ${found}, the checkpoint says ${reference.sha256}`)
    }
  }

  read(offset: number, bytes: number): Promise<Uint8Array> | Uint8Array {
    const at = offset - this.#aheadOffset
    if (at < 0 || at + bytes > this.#ahead.length) return this.#readAhead(offset, bytes)
    return this.#ahead.subarray(at, at + bytes)
  }

  async #readAhead(offset: number, bytes: number): Promise<Uint8Array> {
    this.#ahead = await this.#handle.read(offset, Math.max(bytes, READ_BYTES))
    this.#aheadOffset = offset
    return this.#ahead.subarray(0, bytes)
  }

  close(): Promise<void> {
    return this.#handle.close()
  }
}

async function openExisting(files: Files, path: string): Promise<FileHandle> {
  try {
    return await files.open(path, 'read')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') throw damaged(path, 'is missing')
    throw error
  }
}

export function damaged(path: string, what: string): StreamError {
  return new StreamError('CHECKPOINT_DAMAGED', `state file "${path}" ${what}`, {
    hint: 'Put the file back from a copy, or start from another checkpoint or savepoint.',
  })
}

function encodeFront(header: StateFileHeader): Uint8Array {
  const json = Buffer.from(JSON.stringify(header), 'utf8')
  const writer = new ByteWriter(FRONT_BYTES + json.length)
  writer.raw(MAGIC)
  writer.uint32(json.length)
  writer.uint32(crc32c(json))
  writer.raw(json)
  return writer.take()
}

async function readHeader(handle: FileHandle, path: string): Promise<StateFileHeader> {
  const front = await handle.read(0, FRONT_BYTES)
  if (front.length < FRONT_BYTES || MAGIC.compare(front, 0, 8) !== 0) {
    throw damaged(path, 'does not begin as one')
  }
  const reader = new ByteReader(front, 8)
  const length = reader.uint32()
  const json = await handle.read(FRONT_BYTES, length)
  if (json.length < length || crc32c(json) !== reader.uint32()) {
    throw damaged(path, 'has a damaged header')
  }
  const header = JSON.parse(Buffer.from(json).toString('utf8')) as StateFileHeader
  if (header.version !== STATE_FORMAT_VERSION) {
    throw damaged(path, `has format version ${header.version}, known is ${STATE_FORMAT_VERSION}`)
  }
  return header
}

function encodeIndex(groups: readonly GroupIndex[], offset: number): Uint8Array {
  const index = new ByteWriter()
  for (const group of groups) {
    index.count(group.keyGroup)
    index.count(group.offset)
    index.count(group.bytes)
    index.count(group.cells)
  }
  const { length } = index
  const crc = crc32c(index.peek())
  index.float64(offset)
  index.uint32(length)
  index.uint32(crc)
  index.raw(MAGIC)
  return index.take()
}

async function readIndex(
  handle: FileHandle,
  path: string,
  size: number,
): Promise<readonly GroupIndex[]> {
  const tail = await handle.read(Math.max(0, size - TAIL_BYTES), TAIL_BYTES)
  if (tail.length < TAIL_BYTES || MAGIC.compare(tail, 16, 24) !== 0) {
    throw damaged(path, 'does not end as one')
  }
  const reader = new ByteReader(tail)
  const offset = reader.float64()
  const length = reader.uint32()
  if (offset + length + TAIL_BYTES !== size) throw damaged(path, 'has a damaged index')
  const bytes = await handle.read(offset, length)
  if (crc32c(bytes) !== reader.uint32()) throw damaged(path, 'has a damaged index')
  const index = new ByteReader(bytes)
  const groups: GroupIndex[] = []
  while (!index.isAtEnd) {
    const keyGroup = index.count()
    const start = index.count()
    groups.push({ keyGroup, offset: start, bytes: index.count(), cells: index.count() })
  }
  return groups
}

/** The header of a file as the changed job is to read it, with the ids that it is to skip. */
function changedHeader(header: StateFileHeader, changes: readonly StateChange[]): StateFileHeader {
  if (changes.length === 0) return header
  const dropped: number[] = []
  const states = header.states.flatMap(({ id, descriptor }) => {
    const changed = changedState(descriptor, changes)
    if (changed !== undefined) return [{ id, descriptor: changed }]
    dropped.push(id)
    return []
  })
  return { ...header, states, dropped }
}
