import { ClassicLevel } from 'classic-level'
import { asStreamError } from '../base/errors.ts'
import type { KeyValueOperation, KeyValueStore } from './key-value-store.ts'

/** Larger than LevelDB's own 4 MB, so that fewer tables are written and merged. */
const WRITE_BUFFER_BYTES = 16 * 1_024 * 1_024
const CACHE_BYTES = 16 * 1_024 * 1_024
const FILE_BYTES = 8 * 1_024 * 1_024

/** An empty LevelDB at `directory`; what was there before is destroyed. */
export async function openLevelStore(directory: string): Promise<KeyValueStore> {
  try {
    await ClassicLevel.destroy(directory)
    const level = new ClassicLevel<Uint8Array, Uint8Array>(directory, {
      keyEncoding: 'view',
      valueEncoding: 'view',
      writeBufferSize: WRITE_BUFFER_BYTES,
      cacheSize: CACHE_BYTES,
      maxFileSize: FILE_BYTES,
      errorIfExists: true,
    })
    await level.open()
    return new LevelStore(level, directory)
  } catch (error) {
    throw asStreamError(error, 'STATE_STORE_FAILED')
  }
}

class LevelStore implements KeyValueStore {
  readonly #level: ClassicLevel<Uint8Array, Uint8Array>
  readonly #directory: string

  constructor(level: ClassicLevel<Uint8Array, Uint8Array>, directory: string) {
    this.#level = level
    this.#directory = directory
  }

  getSync(key: Uint8Array): Uint8Array | undefined {
    try {
      return this.#level.getSync(key)
    } catch (error) {
      throw asStreamError(error, 'STATE_STORE_FAILED')
    }
  }

  async batch(operations: readonly KeyValueOperation[]): Promise<void> {
    try {
      await this.#level.batch([...operations])
    } catch (error) {
      throw asStreamError(error, 'STATE_STORE_FAILED')
    }
  }

  async close(): Promise<void> {
    await this.#level.close()
    await ClassicLevel.destroy(this.#directory)
  }
}
