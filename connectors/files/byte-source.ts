import type { FileHandle, Gunzip } from '../../engine/index.ts'

/** The bytes of a file from some offset on, block by block. */
export interface ByteSource {
  /** The next block, never empty; undefined at the end of the file. */
  next(bytesMin: number): Promise<Uint8Array | undefined>
  close(): Promise<void>
}

const BLOCK_BYTES = 256 * 1_024

export class PlainBytes implements ByteSource {
  readonly #handle: FileHandle
  #at: number

  constructor(handle: FileHandle, at: number) {
    this.#handle = handle
    this.#at = at
  }

  async next(bytesMin: number): Promise<Uint8Array | undefined> {
    const block = await this.#handle.read(this.#at, Math.max(bytesMin, BLOCK_BYTES))
    this.#at += block.length
    return block.length === 0 ? undefined : block
  }

  close(): Promise<void> {
    return this.#handle.close()
  }
}

/** Decompresses from the beginning and drops what lies before the offset. */
export class GzipBytes implements ByteSource {
  readonly #handle: FileHandle
  readonly #blocks: AsyncIterator<Uint8Array>
  #skip: number

  constructor(handle: FileHandle, at: number, gunzip: Gunzip) {
    this.#handle = handle
    this.#skip = at
    this.#blocks = gunzip(blocksOf(handle))[Symbol.asyncIterator]()
  }

  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const result = await this.#blocks.next()
      if (result.done === true) return undefined
      const block = result.value
      if (this.#skip < block.length) {
        const kept = block.subarray(this.#skip)
        this.#skip = 0
        return kept
      }
      this.#skip -= block.length
    }
  }

  async close(): Promise<void> {
    await this.#blocks.return?.()
    await this.#handle.close()
  }
}

async function* blocksOf(handle: FileHandle): AsyncGenerator<Uint8Array> {
  for (let at = 0; ;) {
    const block = await handle.read(at, BLOCK_BYTES)
    if (block.length === 0) return
    at += block.length
    yield block
  }
}
