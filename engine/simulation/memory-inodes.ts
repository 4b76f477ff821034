import type { FileInfo } from '../base/files.ts'
import type { Random } from '../base/random.ts'

/** The unit in which data survives a power loss. */
const SECTOR_BYTES = 512

/** A write that no sync has made durable yet. `at` undefined: the file was emptied. */
interface PendingWrite {
  readonly at: number | undefined
  readonly bytes: Uint8Array
}

/** A file: what reads see, what is durable, and what lies between the two. */
export class MemoryFile {
  readonly inode: number
  #content = new Content()
  #durable = new Content()
  #pending: PendingWrite[] = []
  /** Reads show what no sync will make durable any more. */
  #hasLost = false
  #changes = 0

  constructor(inode: number) {
    this.inode = inode
  }

  get size(): number {
    return this.#content.length
  }

  info(): FileInfo {
    return {
      bytes: this.size,
      isDirectory: false,
      isFile: true,
      inode: this.inode,
      modifiedMs: this.#changes,
    }
  }

  read(position: number, length: number): Uint8Array {
    return this.#content.read(position, length)
  }

  /** All that reads see, without a copy: not to be changed, and not to be kept. */
  whole(): Uint8Array {
    return this.#content.whole()
  }

  write(at: number, bytes: Uint8Array): void {
    const copy = bytes.slice()
    this.#content.write(at, copy)
    this.#pending.push({ at, bytes: copy })
    this.#changes += 1
  }

  truncate(): void {
    this.#content.clear()
    this.#pending.push({ at: undefined, bytes: new Uint8Array(0) })
    this.#changes += 1
  }

  sync(): void {
    if (this.#pending.length === 0) return
    if (this.#hasLost) {
      for (const { at, bytes } of this.#pending) {
        if (at === undefined) this.#durable.clear()
        else this.#durable.write(at, bytes)
      }
    } else {
      this.#durable = this.#content.copy()
    }
    this.#pending = []
  }

  /** The pages count as clean now: a later sync that succeeds does not write them. */
  syncFailed(): void {
    if (this.#pending.length > 0) this.#hasLost = true
    this.#pending = []
  }

  /** With `random` any sectors of unsynced writes survive, else none. */
  powerLoss(random: Random | undefined): void {
    for (const { at, bytes } of random === undefined ? [] : this.#pending) {
      if (at === undefined) {
        if (random!.next() < 0.5) this.#durable.clear()
        continue
      }
      for (let from = 0; from < bytes.length; from += SECTOR_BYTES) {
        if (random!.next() < 0.5) continue
        this.#durable.write(at + from, bytes.subarray(from, from + SECTOR_BYTES))
      }
    }
    this.#pending = []
    this.#content = this.#durable.copy()
    this.#hasLost = false
  }

  clone(seen: Clones): MemoryFile {
    const known = seen.get(this)
    if (known !== undefined) return known as MemoryFile
    const clone = new MemoryFile(this.inode)
    seen.set(this, clone)
    clone.#content = this.#content.copy()
    clone.#durable = this.#durable.copy()
    clone.#pending = [...this.#pending]
    clone.#hasLost = this.#hasLost
    clone.#changes = this.#changes
    return clone
  }
}

/** Bytes that grow by doubling. Copies share them until one of the two is written to. */
class Content {
  #bytes = new Uint8Array(0)
  #length = 0
  #isShared = false

  get length(): number {
    return this.#length
  }

  write(at: number, bytes: Uint8Array): void {
    const end = at + bytes.length
    if (end > this.#bytes.length || this.#isShared) {
      const isTooSmall = end > this.#bytes.length
      const grown = new Uint8Array(
        isTooSmall ? Math.max(end, this.#length * 2) : this.#bytes.length,
      )
      grown.set(this.#bytes.subarray(0, this.#length))
      this.#bytes = grown
      this.#isShared = false
    }
    this.#bytes.set(bytes, at)
    this.#length = Math.max(this.#length, end)
  }

  read(position: number, length: number): Uint8Array {
    return this.#bytes.slice(position, Math.min(position + length, this.#length))
  }

  whole(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  clear(): void {
    this.#bytes = new Uint8Array(0)
    this.#length = 0
    this.#isShared = false
  }

  copy(): Content {
    const copy = new Content()
    copy.#bytes = this.#bytes
    copy.#length = this.#length
    copy.#isShared = true
    this.#isShared = true
    return copy
  }
}

type Entry = MemoryFile | MemoryDirectory
/** A name made to mean something, or nothing. */
type Change = readonly [name: string, entry: Entry | undefined]

/** Changes that survive together: a rename touches two names, perhaps in two directories. */
interface Transaction {
  survives: boolean | undefined
}

interface PendingChange {
  readonly changes: readonly Change[]
  readonly transaction: Transaction
}

/** What stands for what in a clone: two names of a file stay names of one. */
export type Clones = Map<Entry | Transaction, Entry | Transaction>

export class MemoryDirectory {
  readonly inode: number
  #entries = new Map<string, Entry>()
  #durable = new Map<string, Entry>()
  #pending: PendingChange[] = []
  #changes = 0

  constructor(inode: number) {
    this.inode = inode
  }

  get(name: string): Entry | undefined {
    return this.#entries.get(name)
  }

  names(): readonly string[] {
    return [...this.#entries.keys()].sort()
  }

  info(): FileInfo {
    return {
      bytes: 0,
      isDirectory: true,
      isFile: false,
      inode: this.inode,
      modifiedMs: this.#changes,
    }
  }

  change(changes: readonly Change[], transaction: Transaction = { survives: undefined }): void {
    for (const change of changes) apply(this.#entries, change)
    this.#pending.push({ changes, transaction })
    this.#changes += 1
  }

  moveTo(target: MemoryDirectory, from: string, to: string, entry: Entry): void {
    if (target === this) {
      this.change([
        [from, undefined],
        [to, entry],
      ])
      return
    }
    const transaction: Transaction = { survives: undefined }
    this.change([[from, undefined]], transaction)
    target.change([[to, entry]], transaction)
  }

  sync(): void {
    for (const { changes, transaction } of this.#pending) {
      transaction.survives = true // A synced half keeps the other half too.
      for (const change of changes) apply(this.#durable, change)
    }
    this.#pending = []
  }

  powerLoss(random: Random | undefined): void {
    for (const { changes, transaction } of this.#pending) {
      transaction.survives ??= random !== undefined && random.next() < 0.5
      if (transaction.survives) for (const change of changes) apply(this.#durable, change)
    }
    this.#pending = []
    this.#entries = new Map(this.#durable)
    for (const entry of this.#entries.values()) entry.powerLoss(random)
  }

  clone(seen: Clones): MemoryDirectory {
    const known = seen.get(this)
    if (known !== undefined) return known as MemoryDirectory
    const clone = new MemoryDirectory(this.inode)
    seen.set(this, clone)
    const change = ([name, entry]: Change): Change => [name, entry?.clone(seen)]
    clone.#entries = new Map([...this.#entries].map(([name, entry]) => [name, entry.clone(seen)]))
    clone.#durable = new Map([...this.#durable].map(([name, entry]) => [name, entry.clone(seen)]))
    clone.#pending = this.#pending.map(({ changes, transaction }) => ({
      changes: changes.map(change),
      transaction: cloneOf(transaction, seen),
    }))
    clone.#changes = this.#changes
    return clone
  }

  walk(path: string, found: string[]): void {
    if (this.#entries.size === 0) found.push(`${path}/`)
    for (const [name, entry] of this.#entries) {
      if (entry instanceof MemoryDirectory) entry.walk(`${path}/${name}`, found)
      else found.push(`${path}/${name}`)
    }
  }

  usedBytes(seen: Set<Entry>): number {
    let bytes = 0
    for (const entry of this.#entries.values()) {
      if (seen.has(entry)) continue
      seen.add(entry)
      bytes += entry instanceof MemoryFile ? entry.size : entry.usedBytes(seen)
    }
    return bytes
  }
}

function cloneOf(transaction: Transaction, seen: Clones): Transaction {
  const known = seen.get(transaction)
  if (known !== undefined) return known as Transaction
  const clone = { ...transaction }
  seen.set(transaction, clone)
  return clone
}

function apply(entries: Map<string, Entry>, [name, entry]: Change): void {
  if (entry === undefined) entries.delete(name)
  else entries.set(name, entry)
}

/** An error as node gives it: its promises of files give no stack either. */
export function fileError(errno: string, call: string, path: string): Error {
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = 0
  const error = new Error(`${errno}: ${call} '${path}'`)
  Error.stackTraceLimit = limit
  return Object.assign(error, { code: errno, path })
}
