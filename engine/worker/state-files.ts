import { join } from 'node:path'
import type { Doors } from '../base/doors.ts'
import type { FileReference } from '../checkpoint/snapshot.ts'
import type { JobVertex } from '../graph/job-graph.ts'
import type { StreamNode } from '../graph/stream-graph.ts'
import type { CheckpointId } from '../stream/elements.ts'
import type { OpenStore } from '../state/key-value-store.ts'
import type { OperatorStores } from '../task/subtask-state.ts'
import type { Deployment } from './protocol.ts'
import type { WorkShare } from '../state/work-share.ts'
import { readWholeFile, writeDurably } from '../base/files.ts'
import { sha256Hex } from '../base/hash.ts'
import { stateFileName, uidHash } from '../checkpoint/layout.ts'
import { BroadcastState } from '../state/broadcast-state.ts'
import { KeyedStateStore } from '../state/keyed-state-store.ts'
import { openLevelStore } from '../state/level-store.ts'
import { keyGroupRange } from '../stream/keys.ts'

/** It has a store of its own in every subtask. */
export function hasKeyedState(node: StreamNode): boolean {
  return node.keys.some((key) => key !== undefined)
}

/** The files of one subtask: their names, its stores on top of them, and their restore. */
export class StateFiles {
  readonly #doors: Doors
  readonly #deployment: Deployment
  readonly #subtask: number
  readonly #openStore: OpenStore
  readonly #share: WorkShare
  #sequence = 0
  /** Of the checkpoint under way; before the first, the start of this life's ids. */
  checkpointId: CheckpointId

  constructor(
    doors: Doors,
    deployment: Deployment,
    subtask: number,
    share: WorkShare,
    openStore: OpenStore = openLevelStore,
  ) {
    this.#doors = doors
    this.#deployment = deployment
    this.#subtask = subtask
    this.#openStore = openStore
    this.#share = share
    this.checkpointId = deployment.epoch * 2 ** 32
  }

  /** Never gives the same name twice, in this life or any other. */
  name(uid: string): string {
    this.#sequence += 1
    return stateFileName(uidHash(uid), this.#subtask, this.checkpointId, this.#sequence)
  }

  async write(uid: string, bytes: Uint8Array): Promise<FileReference> {
    const path = `state/${this.name(uid)}`
    const absolute = join(this.#deployment.workDir, path)
    await writeDurably(this.#doors.files, absolute, bytes, {
      replace: false,
      temporary: `${absolute}.tmp`,
    })
    return { path, bytes: bytes.length, sha256: sha256Hex(bytes) }
  }

  /** The stores of a node with state, restored; undefined for one without. */
  async openStores(
    node: StreamNode,
    link: number,
    vertex: JobVertex,
    watermarkMs: number,
  ): Promise<OperatorStores | undefined> {
    const uid = node.uid ?? node.name
    const broadcast = node.broadcast !== undefined ? await this.#openBroadcast(uid) : undefined
    const keyed = hasKeyedState(node)
      ? await this.#openKeyed(node, uid, vertex, watermarkMs)
      : undefined
    if (keyed === undefined && broadcast === undefined) return undefined
    return { uid, link, keyed, broadcast, isOrdered: node.order === 'event-time' }
  }

  async #openKeyed(
    node: StreamNode,
    uid: string,
    vertex: JobVertex,
    watermarkMs: number,
  ): Promise<KeyedStateStore> {
    const { workDir, stateCacheBytes, restore, epoch } = this.#deployment
    const scratch = join(workDir, 'scratch', `${epoch}-${uidHash(uid)}-${this.#subtask}`)
    const store = new KeyedStateStore({
      uid,
      subtask: this.#subtask,
      range: keyGroupRange(this.#subtask, vertex.maxParallelism, vertex.parallelism),
      maxParallelism: vertex.maxParallelism,
      descriptors: node.states,
      cacheBytes: stateCacheBytes,
      doors: this.#doors,
      workDir,
      name: () => this.name(uid),
      openStore: () => this.#openStore(scratch, stateCacheBytes),
      share: this.#share,
    })
    const restored = restore[uid]
    await store.open()
    store.timers.startAt(watermarkMs)
    if (restored !== undefined) {
      const { subtasks, descriptors, changes } = restored
      const chains = subtasks.map((subtask) => subtask.chain)
      await store.restore(chains, { descriptors, changes, watermarkMs })
    }
    return store
  }

  async #openBroadcast(uid: string): Promise<BroadcastState> {
    const state = new BroadcastState()
    const restored = this.#deployment.restore[uid]
    if (restored?.broadcast !== undefined) {
      const file = restored.broadcast
      const path = join(this.#deployment.workDir, file.path)
      state.restore(await readWholeFile(this.#doors.files, path), file, restored.changes)
    }
    return state
  }
}
