/**
 * The door to the scratch store that takes what does not fit the heap. It is emptied at every
 * start and never part of a checkpoint: it may lose what it likes when the process dies.
 *
 * V1. `getSync` sees every batch whose promise has settled.
 */
export interface KeyValueStore {
  getSync(key: Uint8Array): Uint8Array | undefined
  batch(operations: readonly KeyValueOperation[]): Promise<void>
  /** Closes it and removes its files. */
  close(): Promise<void>
}

/** Makes an empty one; what is at `directory` is destroyed. */
export type OpenStore = (
  directory: string,
  cacheBytes: number,
) => KeyValueStore | Promise<KeyValueStore>

export type KeyValueOperation =
  | { readonly type: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: Uint8Array }

/** A map that behaves like a store: for simulation and tests. */
export class MemoryStore implements KeyValueStore {
  readonly #values = new Map<string, Uint8Array>()

  get size(): number {
    return this.#values.size
  }

  getSync(key: Uint8Array): Uint8Array | undefined {
    return this.#values.get(textOf(key))
  }

  async batch(operations: readonly KeyValueOperation[]): Promise<void> {
    await Promise.resolve()
    for (const operation of operations) {
      if (operation.type === 'put') this.#values.set(textOf(operation.key), operation.value.slice())
      else this.#values.delete(textOf(operation.key))
    }
  }

  async close(): Promise<void> {
    this.#values.clear()
    return Promise.resolve()
  }
}

function textOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')
}
