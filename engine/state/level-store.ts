import { ClassicLevel } from 'classic-level'
import { messageOf, StreamError } from '../base/errors.ts'
import { STORE_BUFFER_BYTES_MAX, STORE_BUFFER_BYTES_MIN } from '../base/limits.ts'
import type { KeyValueOperation, KeyValueStore } from './key-value-store.ts'

const FILE_BYTES = 8 * 1_024 * 1_024

/**
 * An empty LevelDB at `directory`; what was there before is destroyed. Its own memory is a share of
 * that of the cache in front of it.
 */
export async function openLevelStore(
  directory: string,
  cacheBytes = Infinity,
): Promise<KeyValueStore> {
  const share = Math.ceil(cacheBytes / 4)
  const bytes = Math.min(STORE_BUFFER_BYTES_MAX, Math.max(STORE_BUFFER_BYTES_MIN, share))
  try {
    await ClassicLevel.destroy(directory)
    const level = new ClassicLevel<Uint8Array, Uint8Array>(directory, {
      keyEncoding: 'view',
      valueEncoding: 'view',
      writeBufferSize: bytes,
      cacheSize: bytes,
      maxFileSize: FILE_BYTES,
      errorIfExists: true,
    })
    await level.open()
    return new LevelStore(level, directory)
  } catch (error) {
    throw failure(error)
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
      throw failure(error)
    }
  }

  async batch(operations: readonly KeyValueOperation[]): Promise<void> {
    try {
      await this.#level.batch([...operations])
    } catch (error) {
      throw failure(error)
    }
  }

  async close(): Promise<void> {
    await this.#level.close()
    await ClassicLevel.destroy(this.#directory)
  }
}

/** Why the store could not be opened stands in the cause of what LevelDB throws. */
function failure(error: unknown): StreamError {
  const reason = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return new StreamError('STATE_STORE_FAILED', `the store of state failed: ${messageOf(reason)}`, {
    hint: 'Look at the disk of the work folder: space, permissions, errors. The next start fills the store anew.',
    cause: error,
  })
}
