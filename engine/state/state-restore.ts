import { join } from 'node:path'
import { assert } from '../base/assert.ts'
import { StreamError } from '../base/errors.ts'
import type { Files } from '../base/files.ts'
import type { FileReference } from '../checkpoint/snapshot.ts'
import { ByteReader, ByteWriter } from '../stream/byte-buffer.ts'
import { keyHash } from '../stream/key-codec.ts'
import type { KeyGroupRange } from '../stream/keys.ts'
import { VALUE_CODEC_VERSION } from '../stream/value-codec.ts'
import type { Cell } from './cell.ts'
import { STATE_ID_BYTES, keyTextOf, stateIdOf, stateIdText, suffixOf } from './cell.ts'
import type { Pace } from './cell-merge.ts'
import { mergeCells } from './cell-merge.ts'
import { encodeEntry, storeKey } from './entry-codec.ts'
import { keyOfText } from './key-text.ts'
import type { KeyValueOperation } from './key-value-store.ts'
import type { KeyedHeap } from './keyed-heap.ts'
import type { KeyedTimers } from './keyed-timers.ts'
import { stateCursors } from './snapshot-chain.ts'
import type { StateDescriptor } from './state.ts'
import type { StateChange } from './state-changes.ts'
import type { StateCache } from './state-cache.ts'
import type { KeyGroupTable } from './state-entry.ts'
import { StateEntry, heapKeyOf } from './state-entry.ts'
import { StateFile, damaged } from './state-file.ts'
import type { StateRegistry } from './state-registry.ts'
import type { StateType } from './state-type.ts'

/** Part of the cache that a restore fills; the rest is for what the first records bring. */
const FILL = 0.8
const BATCH_ENTRIES = 1_000

export interface RestoreTask {
  readonly chains: readonly (readonly FileReference[])[]
  readonly directory: string
  readonly files: Files
  readonly pace: Pace
  readonly uid: string
  readonly range: KeyGroupRange
  readonly maxParallelism: number
  readonly cacheBytes: number
  readonly heap: KeyedHeap
  readonly cache: StateCache
  readonly timers: KeyedTimers
  readonly registry: StateRegistry
  /** What the job has renamed and dropped of what the files hold. */
  readonly changes: readonly StateChange[]
  /** Makes a state of a file known. */
  readonly declare: (descriptor: StateDescriptor) => void
}

export interface RestoredChain {
  /** One old subtask had exactly our key groups: its chain can go on. */
  readonly isOurs: boolean
  /** The files that hold key groups of ours. */
  readonly references: readonly FileReference[]
}

/**
 * Reads the key groups of one subtask out of the chains of all old subtasks.
 *
 * R1. Every file that holds a group of ours is verified, size and SHA-256, before the first record
 *     of any is read. Of the others size and header are; a subtask that reads them does the rest.
 * R2. Entries fill the heap up to a part of the budget and go to the scratch store beyond, so
 *     memory does not grow with the state. Timers all go to the heap.
 */
export async function restoreState(task: RestoreTask): Promise<RestoredChain> {
  const opened: StateFile[] = []
  try {
    const ours: { readonly references: readonly FileReference[]; readonly files: StateFile[] }[] =
      []
    for (const references of task.chains) {
      const files: StateFile[] = []
      for (const reference of references) {
        const path = join(task.directory, reference.path)
        const file = await StateFile.open(task.files, path, reference, task.changes)
        opened.push(file)
        files.push(file)
        checkHeader(file, task)
        task.registry.adopt(file.header)
      }
      if (files.some((file) => overlaps(file.header.range, task.range))) {
        ours.push({ references, files })
      }
    }
    for (const { references, files } of ours) {
      for (const [index, file] of files.entries()) await file.verify(references[index]!)
    }
    for (const file of opened) {
      for (const { descriptor } of file.header.states) task.declare(descriptor)
    }
    await new Restore(task).readChains(ours.map(({ files }) => files))
    const [only] = ours
    return {
      isOurs: ours.length === 1 && only!.files.every((file) => isSameRange(file, task.range)),
      references: ours.flatMap(({ references }) => references),
    }
  } finally {
    for (const file of opened) await file.close()
  }
}

function checkHeader(file: StateFile, task: RestoreTask): void {
  const { uid, maxParallelism, codecVersion } = file.header
  if (codecVersion > VALUE_CODEC_VERSION) {
    throw damaged(file.path, `has values of codec ${codecVersion}, known is ${VALUE_CODEC_VERSION}`)
  }
  if (maxParallelism === task.maxParallelism) return
  throw new StreamError(
    'STATE_MAX_PARALLELISM',
    `"${uid}" had maxParallelism ${maxParallelism} in the checkpoint, now ${task.maxParallelism}`,
    { hint: `Set maxParallelism to ${maxParallelism}: it is fixed for the life of a job.` },
  )
}

function overlaps(left: KeyGroupRange, right: KeyGroupRange): boolean {
  return left.first <= right.last && right.first <= left.last
}

function isSameRange(file: StateFile, range: KeyGroupRange): boolean {
  return file.header.range.first === range.first && file.header.range.last === range.last
}

/** Puts cells together to entries. */
class Restore {
  readonly #task: RestoreTask
  readonly #types = new Map<string, StateType>()
  readonly #writer = new ByteWriter()
  #operations: KeyValueOperation[] = []
  #tables: KeyGroupTable[] = []
  #table!: KeyGroupTable
  #keyText: string | undefined
  #entry: StateEntry | undefined
  #type: StateType | undefined
  #slot: unknown

  constructor(task: RestoreTask) {
    this.#task = task
    for (const type of task.heap.types) this.#types.set(type.idText, type)
  }

  async readChains(chains: readonly (readonly StateFile[])[]): Promise<void> {
    const { heap, pace, registry } = this.#task
    for (const table of heap.tables) {
      this.#table = table
      for (const files of chains) {
        const cursors = stateCursors(files, table.keyGroup, (header) =>
          registry.transcoding(header),
        )
        await mergeCells(cursors, (cell) => this.#add(cell), { isBase: true, pace })
        await this.#endEntry()
      }
    }
    await this.#flush()
  }

  #add(cell: Cell): void | Promise<void> {
    const stateId = stateIdOf(cell)
    const line = this.#task.timers.lineOf(stateId)
    if (line !== undefined) {
      line.restore(keyTextOf(cell), suffixOf(cell), this.#table)
      return undefined
    }
    const length = cell.prefixLength - STATE_ID_BYTES
    if (this.#keyText?.length === length && cell.sort.startsWith(this.#keyText)) {
      this.#load(cell, stateId)
      return undefined
    }
    const ended = this.#endEntry()
    this.#keyText = keyTextOf(cell)
    const key = keyOfText(this.#keyText)
    this.#entry = new StateEntry(key, heapKeyOf(key), keyHash(key), this.#table)
    this.#load(cell, stateId)
    return ended
  }

  #load(cell: Cell, stateId: number): void {
    const type = this.#types.get(stateIdText(stateId))
    assert(type !== undefined, 'a cell belongs to a state of the header of its file')
    if (type !== this.#type) this.#endSlot()
    this.#type = type
    const reader = new ByteReader(cell.bytes, cell.start, cell.end)
    this.#slot = type.load(this.#slot, suffixOf(cell), reader)
  }

  #endSlot(): void {
    if (this.#type === undefined) return
    this.#entry!.setSlot(this.#type.index, this.#type.finishLoad(this.#slot))
    this.#type = undefined
    this.#slot = undefined
  }

  /** A promise when a batch has to be written first. */
  #endEntry(): Promise<void> | undefined {
    const entry = this.#entry
    if (entry === undefined) return undefined
    this.#endSlot()
    this.#entry = undefined
    this.#keyText = undefined
    const { heap, cacheBytes } = this.#task
    if (heap.bytes < cacheBytes * FILL) {
      entry.isPersisted = true
      heap.insert(entry)
      return undefined
    }
    const { table } = entry
    const key = storeKey(table.keyGroup, entry.key)
    this.#operations.push({ type: 'put', key, value: encodeEntry(entry, heap.types, this.#writer) })
    this.#tables.push(table)
    return this.#operations.length < BATCH_ENTRIES ? undefined : this.#flush()
  }

  async #flush(): Promise<void> {
    if (this.#operations.length === 0) return
    const operations = this.#operations
    const tables = this.#tables
    this.#operations = []
    this.#tables = []
    await this.#task.cache.storeDirectly(operations, tables)
  }
}
