import { join } from 'node:path'
import { assert } from '../base/assert.ts'
import type { Doors } from '../base/doors.ts'
import { StreamError, asStreamError, refusedOr } from '../base/errors.ts'
import type { FileReference } from '../checkpoint/snapshot.ts'
import type { CheckpointId } from '../stream/elements.ts'
import type { KeyGroupRange } from '../stream/keys.ts'
import { VALUE_CODEC_VERSION } from '../stream/value-codec.ts'
import { stateIdText } from './cell.ts'
import type { Pace } from './cell-merge.ts'
import type { CellRun } from './cell-run.ts'
import { FrozenGeneration } from './frozen-generation.ts'
import { encodeGeneration } from './generation-encoder.ts'
import type { KeyValueStore } from './key-value-store.ts'
import { KeyedHeap } from './keyed-heap.ts'
import { KeyedTimers } from './keyed-timers.ts'
import { ListHandle, ListStateType } from './list-state.ts'
import { MapHandle, MapStateType } from './map-state.ts'
import { checkStateFits, isSameSchema } from './schema-evolution.ts'
import { SnapshotChain } from './snapshot-chain.ts'
import { Spill } from './spill.ts'
import type {
  KeyedStateBackend,
  ListState,
  MapState,
  StateDescriptor,
  ValueState,
} from './state.ts'
import { StateCache } from './state-cache.ts'
import type { StateChange } from './state-changes.ts'
import type { StateFileHeader } from './state-file.ts'
import { STATE_FORMAT_VERSION } from './state-file.ts'
import { restoreState } from './state-restore.ts'
import { StateRegistry } from './state-registry.ts'
import type { StateType } from './state-type.ts'
import { ValueHandle, ValueStateType } from './value-state.ts'
import { WorkShare } from './work-share.ts'

/** What may be set aside for snapshots however small the cache is. */
const ASIDE_BYTES_MIN = 1_024 * 1_024

export interface KeyedStateOptions {
  readonly uid: string
  readonly subtask: number
  readonly range: KeyGroupRange
  readonly maxParallelism: number
  /** States known from the plan. Others may be declared later, before the first record. */
  readonly descriptors: readonly StateDescriptor[]
  /** Estimated heap bytes of entries before some go to the scratch store. */
  readonly cacheBytes: number
  readonly doors: Doors
  /** Files of checkpoints go to `state/` in it, those that may be lost to `scratch/`. */
  readonly workDir: string
  /** A file name that was never given before and never will be again. */
  readonly name: () => string
  /** An empty scratch store of this operator's and subtask's own; opened when first needed. */
  readonly openStore: () => KeyValueStore | Promise<KeyValueStore>
  /** What snapshots may take of the worker's time; all of it when left out. */
  readonly share?: WorkShare
}

export interface RestoreOptions {
  /** What the states were, as the manifest has it, renamed and dropped as `changes` say. */
  readonly descriptors: readonly StateDescriptor[]
  readonly changes?: readonly StateChange[]
  readonly watermarkMs: number
  /** What the paths of files are relative to, when it is not the work folder (a savepoint). */
  readonly directory?: string
  /** How many subtasks there were. What chain goes on is told from the files themselves. */
  readonly parallelism?: number
  readonly samePlace?: boolean
}

export interface WrittenSnapshot {
  /** The base and its deltas, oldest first. */
  readonly chain: readonly FileReference[]
  readonly bytesWritten: number
}

export interface PendingSnapshot {
  readonly checkpointId: CheckpointId
  /**
   * Writes what the barrier has cut. Rejects with the cause when it could not be written: the
   * changes are then part of the next snapshot. Called once; not calling it does the same.
   */
  write(): Promise<WrittenSnapshot>
}

/**
 * Keyed state of one operator and subtask: tables on the heap, a scratch store for what does not
 * fit, snapshots as chains of files (architecture A8).
 *
 * K1. `snapshot` is the synchronous part of a checkpoint: it takes microseconds.
 * K2. One snapshot is written at a time; the next waits. They are written in order.
 * K3. What a snapshot could not write goes into the next one.
 * K4. Nothing flows before `restore` has settled.
 * K5. What records have encoded early, for snapshots that are not written yet, stays within the
 *     cache's size: beyond it no record is taken in, so the snapshots get all of the time.
 */
export class KeyedStateStore implements KeyedStateBackend {
  readonly timers: KeyedTimers
  readonly #options: KeyedStateOptions
  readonly #heap: KeyedHeap
  readonly #cache: StateCache
  readonly #spill: Spill
  readonly #chain: SnapshotChain
  readonly #registry = new StateRegistry()
  readonly #share: WorkShare
  /** Generations that no write has taken yet, oldest first. */
  readonly #cut: {
    readonly frozen: FrozenGeneration
    readonly spilled: () => Promise<CellRun[]>
  }[] = []
  /** Runs of a write that failed, oldest first (K3). */
  #carried: CellRun[] = []
  #writing: Promise<unknown> = Promise.resolve()
  readonly #asideBytesMax: number
  #asideWaiting: (() => void)[] = []

  constructor(options: KeyedStateOptions) {
    this.#options = options
    const { range, maxParallelism, cacheBytes, doors, workDir, name } = options
    this.#asideBytesMax = Math.max(cacheBytes, ASIDE_BYTES_MIN)
    this.#share = options.share ?? new WorkShare(doors.clock)
    const header = (): StateFileHeader => this.#header()
    this.#spill = new Spill({
      files: doors.files,
      scratch: join(workDir, 'scratch'),
      name,
      header,
      onError: (error) => {
        this.#cache.fail(error)
      },
    })
    let cache: StateCache | undefined
    this.#heap = new KeyedHeap(range, maxParallelism, cacheBytes, (heap) => {
      cache = new StateCache(heap, cacheBytes, this.#spill, options.openStore)
      return cache
    })
    this.#cache = cache!
    this.timers = new KeyedTimers(this.#heap, doors.clock)
    this.#chain = new SnapshotChain({
      files: doors.files,
      workDir,
      name,
      range,
      header,
      transcoding: (old) => this.#registry.transcoding(old),
    })
  }

  /** Before anything else. */
  async open(): Promise<void> {
    // The scratch store is opened when it is first needed: most operators never do.
    return Promise.resolve()
  }

  /** The chains of all subtasks of a checkpoint, whatever their number was. */
  async restore(
    chains: readonly (readonly FileReference[])[],
    options: RestoreOptions,
  ): Promise<void> {
    const { uid, descriptors, range, maxParallelism, workDir, doors } = this.#options
    checkStateFits(uid, options.descriptors, descriptors)
    this.timers.startAt(options.watermarkMs)
    const directory = options.directory ?? workDir
    const changes = options.changes ?? []
    const { isOurs, references } = await restoreState({
      chains,
      directory,
      files: doors.files,
      pace: this.#share.pace(),
      uid,
      range,
      maxParallelism,
      cacheBytes: this.#options.cacheBytes,
      heap: this.#heap,
      cache: this.#cache,
      timers: this.timers,
      registry: this.#registry,
      changes,
      declare: (descriptor) => {
        const now = descriptors.find((candidate) => candidate.name === descriptor.name)
        if (now !== undefined) checkStateFits(uid, [descriptor], [now])
        this.#type(now ?? descriptor)
      },
    })
    const isKept = isOurs && directory === workDir && changes.length === 0
    if (isKept) this.#chain.adopt(references)
    else if (references.length > 0) this.#chain.adoptForeign(references, directory, changes)
  }

  value<V>(descriptor: Extract<StateDescriptor, { type: 'value' }>): ValueState<V, V | undefined> {
    const type = this.#type(descriptor)
    assert(type instanceof ValueStateType, `state "${descriptor.name}" is no value state`)
    return new ValueHandle<V>(this.#heap, type, descriptor)
  }

  list<V>(descriptor: Extract<StateDescriptor, { type: 'list' }>): ListState<V> {
    const type = this.#type(descriptor)
    assert(type instanceof ListStateType, `state "${descriptor.name}" is no list state`)
    return new ListHandle<V>(this.#heap, type)
  }

  map<K, V>(descriptor: Extract<StateDescriptor, { type: 'map' }>): MapState<K, V> {
    const type = this.#type(descriptor)
    assert(type instanceof MapStateType, `state "${descriptor.name}" is no map state`)
    return new MapHandle<K, V>(this.#heap, type)
  }

  setCurrentKey(key: unknown, hash: number): void {
    this.#heap.setCurrentKey(key, hash)
  }

  get currentKey(): unknown {
    return this.#heap.currentKey
  }

  /**
   * False: the scratch store is behind, or too much is set aside for the snapshots under way (K5).
   * Take no records in until `whenReady` has settled.
   */
  get isReady(): boolean {
    return !this.#cache.isBehind && !this.#isAsideFull
  }

  async whenReady(): Promise<void> {
    while (!this.isReady) {
      if (this.#cache.isBehind) await this.#cache.whenRelieved()
      else await new Promise<void>((resolve) => this.#asideWaiting.push(resolve))
    }
  }

  get #isAsideFull(): boolean {
    if (this.#cut.length === 0) return false
    let bytes = 0
    for (const { frozen } of this.#cut) bytes += frozen.earlyBytes
    return bytes > this.#asideBytesMax && !this.#cache.hasFailed
  }

  #asideTaken(): void {
    const waiting = this.#asideWaiting
    this.#asideWaiting = []
    for (const resolve of waiting) resolve()
  }

  /** Estimated heap bytes of entries: for metrics. */
  get heapBytes(): number {
    return this.#heap.bytes
  }

  snapshot(checkpointId: CheckpointId): PendingSnapshot {
    this.#cache.check()
    const frozen = new FrozenGeneration(this.#heap.generation, checkpointId)
    this.timers.freeze(frozen)
    this.#heap.freeze(frozen)
    this.#cut.push({ frozen, spilled: this.#spill.take() })
    return {
      checkpointId,
      write: () => {
        const written = this.#writing.then(() => this.#write(frozen))
        this.#writing = written.catch(() => undefined) // K2; the caller has the rejection.
        return written
      },
    }
  }

  async close(): Promise<void> {
    await this.#writing
    await this.#cache.close()
    await this.#spill.close()
    await this.#spill.drop(this.#carried)
    for (const { spilled } of this.#cut) {
      // What could not be spilled has failed the task already.
      await this.#spill.drop(await spilled().catch(() => []))
    }
  }

  async #write(frozen: FrozenGeneration): Promise<WrittenSnapshot> {
    this.#cache.check()
    if (!this.#cut.some((cut) => cut.frozen === frozen)) {
      throw new StreamError(
        'CHECKPOINT_EXPIRED',
        `a later checkpoint has overtaken this one of "${this.#options.uid}"`,
      )
    }
    const pace = this.#share.pace()
    const news = await this.#takeNews(frozen, pace)
    let bytesWritten: number
    try {
      bytesWritten = await this.#chain.write(news, pace)
    } catch (error) {
      this.#carried = news
      throw asStreamError(error, refusedOr('FILE_IO', error), { operator: this.#options.uid })
    }
    await this.#spill.drop(news)
    return { chain: this.#chain.references, bytesWritten }
  }

  /** Encodes all generations up to `frozen`. An error leaves holes: the task has to fail. */
  async #takeNews(frozen: FrozenGeneration, pace: Pace): Promise<CellRun[]> {
    const news = this.#carried
    this.#carried = []
    try {
      for (;;) {
        const cut = this.#cut[0]!
        news.push(...(await cut.spilled()))
        news.push(
          await encodeGeneration(cut.frozen, this.#heap, this.timers, pace, () => {
            this.#asideTaken()
          }),
        )
        this.#cut.shift()
        if (cut.frozen === frozen) return news
      }
    } catch (error) {
      this.#cache.fail(error)
      this.#asideTaken()
      throw asStreamError(error, 'STATE_STORE_FAILED', { operator: this.#options.uid })
    }
  }

  #type(descriptor: StateDescriptor): StateType {
    const there = this.#registry.find(descriptor.name)
    if (there !== undefined) {
      const uid = this.#options.uid
      checkStateFits(uid, [there.descriptor], [descriptor])
      // Restored values are of the plan's schema; a state that the plan did not name keeps its old
      // one.
      const isSame = isSameSchema(there.descriptor.value, descriptor.value)
      assert(isSame, `state "${descriptor.name}" of "${uid}" is declared otherwise than planned`)
      return there
    }
    const id = this.#registry.nextId(descriptor.name)
    const type = newType(descriptor, this.#heap.types.length, stateIdText(id))
    this.#registry.add(id, type)
    this.#heap.addType(type)
    return type
  }

  #header(): StateFileHeader {
    const { uid, subtask, range, maxParallelism } = this.#options
    return {
      version: STATE_FORMAT_VERSION,
      codecVersion: VALUE_CODEC_VERSION,
      uid,
      subtask,
      maxParallelism,
      range,
      states: this.#registry.identities(),
    }
  }
}

function newType(descriptor: StateDescriptor, index: number, idText: string): StateType {
  switch (descriptor.type) {
    case 'value':
      return new ValueStateType(descriptor, index, idText)
    case 'list':
      return new ListStateType(descriptor, index, idText)
    case 'map':
      return new MapStateType(descriptor, index, idText)
    default:
      return descriptor satisfies never
  }
}
