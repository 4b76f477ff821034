import type { BroadcastState } from '../state/broadcast-state.ts'
import type { FileReference, OperatorSubtaskState } from '../checkpoint/snapshot.ts'
import type { KeyedStateStore } from '../state/keyed-state-store.ts'
import type { CheckpointId } from '../stream/elements.ts'

/** What one operator of the chain keeps. */
export interface OperatorStores {
  readonly uid: string
  /** Position in the chain. */
  readonly link: number
  readonly keyed: KeyedStateStore | undefined
  readonly broadcast: BroadcastState | undefined
  /**
   * The step applies broadcast records by its watermark, which may differ between subtasks: each
   * stores its copy. A restore takes the one that is furthest behind.
   */
  readonly isOrdered: boolean
}

/** Writes a file of this subtask into the state folder, durably, under a name of its own. */
export type WriteStateFile = (uid: string, bytes: Uint8Array) => Promise<FileReference>

export interface StateSnapshot {
  readonly operators: Readonly<Record<string, OperatorSubtaskState>>
  readonly bytesWritten: number
}

/** All state of one subtask, operator by operator. */
export class SubtaskState {
  readonly #stores: readonly OperatorStores[]
  readonly #subtask: number
  readonly #write: WriteStateFile
  #isWaiting = false

  constructor(stores: readonly OperatorStores[], subtask: number, write: WriteStateFile) {
    this.#stores = stores
    this.#subtask = subtask
    this.#write = write
  }

  /** False: a store is behind with what it must write; `kick` is called when it has caught up. */
  isReady(kick: () => void): boolean {
    for (const { keyed } of this.#stores) {
      if (keyed === undefined || keyed.isReady) continue
      if (!this.#isWaiting) {
        this.#isWaiting = true
        void keyed.whenReady().then(() => {
          this.#isWaiting = false
          kick()
        })
      }
      return false
    }
    return true
  }

  /** Cuts all stores now; the promise settles when every file is durable. */
  snapshot(
    checkpointId: CheckpointId,
    watermarkOf: (link: number) => number,
  ): Promise<StateSnapshot> {
    const parts = this.#stores.map((stores) => ({
      uid: stores.uid,
      watermarkMs: watermarkOf(stores.link),
      keyed: stores.keyed?.snapshot(checkpointId),
      broadcast: stores.broadcast?.snapshot(),
      isStored: stores.isOrdered || this.#subtask === 0,
    }))
    return this.#finish(parts)
  }

  async #finish(parts: readonly PendingPart[]): Promise<StateSnapshot> {
    const operators: Record<string, OperatorSubtaskState> = {}
    let bytesWritten = 0
    // Every store writes, whatever happens to another: a delta that is not written is kept by its
    // store.
    const chains = await Promise.all(
      parts.map((part) => part.keyed?.write() ?? Promise.resolve(undefined)),
    )
    for (const [index, part] of parts.entries()) {
      const written = chains[index]
      bytesWritten += written?.bytesWritten ?? 0
      operators[part.uid] = {
        chain: written?.chain ?? [],
        watermarkMs: part.watermarkMs,
        ...(part.broadcast === undefined
          ? {}
          : { broadcast: await this.#broadcast(part, part.broadcast) }),
      }
    }
    return { operators, bytesWritten }
  }

  /** Where all copies are equal the first subtask's is stored, the others give their hash (A13). */
  async #broadcast(
    { uid, isStored }: PendingPart,
    copy: { readonly bytes: Uint8Array; readonly hash: string },
  ): Promise<NonNullable<OperatorSubtaskState['broadcast']>> {
    if (!isStored) return { hash: copy.hash }
    return { hash: copy.hash, file: await this.#write(uid, copy.bytes) }
  }

  async close(): Promise<void> {
    for (const { keyed } of this.#stores) await keyed?.close()
  }
}

interface PendingPart {
  readonly uid: string
  readonly watermarkMs: number
  readonly keyed:
    | {
        write(): Promise<{
          readonly chain: readonly FileReference[]
          readonly bytesWritten: number
        }>
      }
    | undefined
  readonly broadcast: { readonly bytes: Uint8Array; readonly hash: string } | undefined
  /** Whether the broadcast state is written here; the hash is told in any case. */
  readonly isStored: boolean
}
