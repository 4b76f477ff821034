import { errnoOf, messageOf, StreamError } from '../../engine/index.ts'
import type { FileHandle, Gunzip, Unpacked } from '../../engine/index.ts'

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
  readonly #unpacked: Unpacked
  readonly #blocks: AsyncIterator<Uint8Array>
  #skip: number

  constructor(handle: FileHandle, at: number, gunzip: Gunzip) {
    this.#handle = handle
    this.#skip = at
    this.#unpacked = gunzip(blocksOf(handle))
    this.#blocks = this.#unpacked[Symbol.asyncIterator]()
  }

  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const result = await this.#unpack()
      if (result.done === true) {
        await this.#refuseRest(this.#unpacked.inputBytes())
        return undefined
      }
      const block = result.value
      if (this.#skip < block.length) {
        const kept = block.subarray(this.#skip)
        this.#skip = 0
        return kept
      }
      this.#skip -= block.length
    }
  }

  async #unpack(): Promise<IteratorResult<Uint8Array>> {
    try {
      return await this.#blocks.next()
    } catch (cause) {
      if (errnoOf(cause)?.startsWith('Z_') !== true) throw cause
      throw damaged(`the gzip data is damaged or cut off: ${messageOf(cause)}`, cause)
    }
  }

  /** Zeros may fill a block up. Anything else would be passed over without a word. */
  async #refuseRest(from: number): Promise<void> {
    for (let at = from; ;) {
      const block = await this.#handle.read(at, BLOCK_BYTES)
      if (block.length === 0) return
      const other = block.findIndex((byte) => byte !== 0)
      if (other >= 0) {
        throw damaged(`bytes that are no gzip data begin at byte ${at + other} of the file`)
      }
      at += block.length
    }
  }

  async close(): Promise<void> {
    await this.#blocks.return?.()
    await this.#handle.close()
  }
}

/** The data will not get better: the code is that of a record, not of a disk that may recover. */
function damaged(message: string, cause?: unknown): StreamError {
  return new StreamError('RECORD_MALFORMED', message, {
    hint: 'Look at it with gzip -t, and copy it again. Move compressed files in when they are complete.',
    cause,
  })
}

async function* blocksOf(handle: FileHandle): AsyncGenerator<Uint8Array> {
  for (let at = 0; ;) {
    const block = await handle.read(at, BLOCK_BYTES)
    if (block.length === 0) return
    at += block.length
    yield block
  }
}
