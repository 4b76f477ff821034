import { basename } from 'node:path'
import type { Files } from '../base/files.ts'
import { StreamError } from '../base/errors.ts'
import { errnoOf } from '../base/files.ts'
import { NO_PACE, RunCursor, cursorsOf, mergeCells } from '../state/cell-merge.ts'
import type { GroupIndex } from '../state/cell-run.ts'
import type { Cell } from '../state/cell.ts'
import {
  CLEAR,
  STATE_ID_BYTES,
  TOMBSTONE,
  VALUE,
  bytesOfText,
  keyTextOf,
  orderedDoubleOf,
  stateIdOf,
  suffixOf,
  uint32Text,
} from '../state/cell.ts'
import { isTimersId } from '../state/keyed-timers.ts'
import type { StateDescriptor } from '../state/state.ts'
import { StateFile, damaged } from '../state/state-file.ts'
import { ByteReader } from '../stream/byte-buffer.ts'
import { decodeKey, keyHash } from '../stream/key-codec.ts'
import type { KeyGroupRange } from '../stream/keys.ts'
import { keyGroupOf } from '../stream/keys.ts'
import type { ValueReader } from '../stream/value-codec.ts'
import { VALUE_CODEC_VERSION, valueReader } from '../stream/value-codec.ts'
import { parseStateFileName, uidHash } from './layout.ts'
import type { FileReference } from './snapshot.ts'

/** Whose the files of a chain are, as the manifest has it. */
export interface ChainOwner {
  readonly range: KeyGroupRange
  readonly maxParallelism: number
}

/** What lies in one file, or in a chain as a restore would read it. */
export interface StateCounts {
  readonly values: number
  readonly timers: number
  /** Of one file: what they hide is in older ones. */
  readonly tombstones: number
}

export interface FileAudit extends StateCounts {
  /** The uid when it was written; another than now, after --rename-uid. */
  readonly uid: string
}

/**
 * Reads a file of keyed state to its last cell, as strictly as it was written: what is in the
 * header, the order of groups and cells, the key group of every key, every value by its schema.
 * Throws CHECKPOINT_DAMAGED, naming the file. Its hash is somebody else's to check, and before.
 */
export async function auditStateFile(
  files: Files,
  path: string,
  reference: FileReference,
  owner: ChainOwner,
  isBase: boolean,
): Promise<FileAudit> {
  return await decoding(path, async () => {
    const file = await StateFile.open(files, path, reference)
    try {
      checkHeader(file, owner)
      const audit = new CellAudit(file, isBase)
      let end = file.groups[0]?.offset ?? 0
      for (const group of file.groups) {
        if (group.offset !== end) throw damaged(path, 'has a hole between two key groups')
        end += group.bytes
        await audit.group(group)
      }
      const { values, timers, tombstones } = audit
      return { uid: file.header.uid, values, timers, tombstones }
    } finally {
      await file.close()
    }
  })
}

/** All files of a chain as one: what a restore would find. Each has been audited for itself. */
export async function auditChain(
  files: Files,
  chain: readonly { readonly path: string; readonly reference: FileReference }[],
  owner: ChainOwner,
): Promise<StateCounts> {
  const opened: StateFile[] = []
  const last = chain.at(-1)?.path ?? ''
  try {
    return await decoding(last, async () => {
      for (const { path, reference } of chain) {
        opened.push(await StateFile.open(files, path, reference))
      }
      checkStateIds(opened)
      const live = new LiveCells(last, opened.at(-1))
      for (let group = owner.range.first; group <= owner.range.last; group += 1) {
        live.startGroup()
        const cursors = cursorsOf(opened, group)
        if (cursors.length === 0) continue
        const options = { isBase: true, pace: NO_PACE }
        await mergeCells(cursors, (cell) => live.add(cell), options)
      }
      return { values: live.values, timers: live.timers, tombstones: 0 }
    })
  } finally {
    for (const file of opened) await file.close()
  }
}

function checkHeader({ path, header, groups }: StateFile, owner: ChainOwner): void {
  const { uid, subtask, maxParallelism, range, codecVersion } = header
  const name = parseStateFileName(basename(path))
  if (name === undefined) throw damaged(path, 'has no name of a file of state')
  if (name.uidHash !== uidHash(uid) || name.subtask !== subtask) {
    throw damaged(path, `is of subtask ${subtask} of "${uid}", which its name does not say`)
  }
  if (codecVersion > VALUE_CODEC_VERSION) {
    throw damaged(path, `has values of codec ${codecVersion}, known is ${VALUE_CODEC_VERSION}`)
  }
  if (maxParallelism !== owner.maxParallelism) {
    throw damaged(path, `has maxParallelism ${maxParallelism}, the checkpoint says otherwise`)
  }
  if (range.first !== owner.range.first || range.last !== owner.range.last) {
    const theirs = `${owner.range.first} to ${owner.range.last}`
    throw damaged(path, `holds key groups ${range.first} to ${range.last}, not ${theirs}`)
  }
  for (const [index, { keyGroup }] of groups.entries()) {
    const before = groups[index - 1]?.keyGroup ?? range.first - 1
    if (keyGroup <= before || keyGroup > range.last) {
      throw damaged(path, `has key group ${keyGroup} where it does not belong`)
    }
  }
}

/** An id means one state in a whole chain. */
function checkStateIds(chain: readonly StateFile[]): void {
  const names = new Map<number, string>()
  for (const { path, header } of chain) {
    for (const { id, descriptor } of header.states) {
      const known = names.get(id) ?? descriptor.name
      if (known !== descriptor.name) {
        throw damaged(path, `gives "${descriptor.name}" the id of state "${known}"`)
      }
      names.set(id, descriptor.name)
    }
  }
}

interface ReadableState {
  readonly descriptor: StateDescriptor
  readonly read: ValueReader
}

/** The cells of one file. */
class CellAudit {
  values = 0
  timers = 0
  tombstones = 0
  readonly #file: StateFile
  readonly #isBase: boolean
  readonly #states: ReadonlyMap<number, ReadableState>

  constructor(file: StateFile, isBase: boolean) {
    this.#file = file
    this.#isBase = isBase
    this.#states = new Map(
      file.header.states.map(({ id, descriptor }) => [
        id,
        { descriptor, read: valueReader(descriptor.value) },
      ]),
    )
  }

  async group(group: GroupIndex): Promise<void> {
    const cursor = new RunCursor(this.#file, group)
    let last: string | undefined
    let cells = 0
    while (await cursor.load()) {
      for (let cell = cursor.next(); cell !== undefined; cell = cursor.next()) {
        if (last !== undefined && cell.sort <= last) this.#fail('has cells out of order')
        last = cell.sort
        cells += 1
        this.#cell(cell, group.keyGroup)
      }
    }
    if (cells !== group.cells) {
      this.#fail(`has ${cells} cells in key group ${group.keyGroup}, its index says ${group.cells}`)
    }
  }

  #cell(cell: Cell, keyGroup: number): void {
    if (cell.prefixLength <= STATE_ID_BYTES || cell.prefixLength > cell.sort.length) {
      this.#fail('has a cell without a key')
    }
    const hash = keyHash(decodeKey(bytesOfText(keyTextOf(cell))))
    if (keyGroupOf(hash, this.#file.header.maxParallelism) !== keyGroup) {
      this.#fail(`has a key in key group ${keyGroup} that belongs to another`)
    }
    const kind: number = cell.kind
    if (kind === TOMBSTONE || kind === CLEAR) {
      if (this.#isBase) this.#fail('is the first of its chain, and says that older state is gone')
      this.tombstones += 1
      return
    }
    if (kind !== VALUE) this.#fail(`has a cell of kind ${kind}`)
    const id = stateIdOf(cell)
    if (isTimersId(id)) {
      this.#timer(cell)
      return
    }
    this.#value(cell, id)
  }

  #timer(cell: Cell): void {
    const suffix = suffixOf(cell)
    if (suffix.length !== 8 || Number.isNaN(orderedDoubleOf(suffix)) || cell.end > cell.start) {
      this.#fail('has a timer that is none')
    }
    this.timers += 1
  }

  #value(cell: Cell, id: number): void {
    const state = this.#states.get(id)
    if (state === undefined) return this.#fail(`has a cell of state ${id}, which it does not name`)
    const { descriptor, read } = state
    const suffix = suffixOf(cell)
    const reader = new ByteReader(cell.bytes, cell.start, cell.end)
    if (descriptor.type === 'map') {
      decodeKey(bytesOfText(suffix))
      reader.count()
    } else if (suffix.length !== (descriptor.type === 'list' ? 4 : 0)) {
      this.#fail(`has a cell of "${descriptor.name}" that is no part of a ${descriptor.type}`)
    }
    read(reader)
    if (!reader.isAtEnd) this.#fail(`has a value of "${descriptor.name}" with bytes left over`)
    this.values += 1
  }

  #fail(what: string): never {
    throw damaged(this.#file.path, what)
  }
}

/** The cells of one chain that no newer one hides. */
class LiveCells {
  values = 0
  timers = 0
  readonly #path: string
  readonly #lists: ReadonlyMap<number, string>
  #list = ''
  #items = 0

  constructor(path: string, newest: StateFile | undefined) {
    this.#path = path
    const lists = newest?.header.states.filter(({ descriptor }) => descriptor.type === 'list') ?? []
    this.#lists = new Map(lists.map(({ id, descriptor }) => [id, descriptor.name]))
  }

  startGroup(): void {
    this.#list = ''
    this.#items = 0
  }

  add(cell: Cell): void {
    const id = stateIdOf(cell)
    if (isTimersId(id)) this.timers += 1
    else this.values += 1
    const name = this.#lists.get(id)
    if (name === undefined) return
    const prefix = cell.sort.slice(0, cell.prefixLength)
    if (prefix !== this.#list) this.#items = 0
    this.#list = prefix
    if (suffixOf(cell) !== uint32Text(this.#items)) {
      throw damaged(this.#path, `ends a chain in which a list of "${name}" has a gap`)
    }
    this.#items += 1
  }
}

/** What no decoder understands is damage of the file, whatever it is that a decoder throws. */
export async function decoding<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    const isTold = error instanceof StreamError && error.code !== 'ASSERTION_FAILED'
    if (isTold || /^E[A-Z0-9]+$/.test(errnoOf(error) ?? '')) throw error
    throw damaged(path, `cannot be decoded: ${error instanceof Error ? error.message : 'unknown'}`)
  }
}
