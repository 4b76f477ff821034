import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import type { Unpacked } from '../../engine/index.ts'

/**
 * The door to decompression: what comes out of the gzip members in `compressed`, in blocks, no
 * faster than they are taken. Fails when the input is cut off or damaged.
 */
export function gunzip(compressed: AsyncIterable<Uint8Array>): Unpacked {
  const blocks = createGunzip({ chunkSize: 128 * 1_024 })
  // An error destroys `blocks`, whose reader then gets it.
  pipeline(compressed, blocks, () => undefined)
  return {
    [Symbol.asyncIterator]: () => blocks[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>,
    inputBytes: () => blocks.bytesWritten,
  }
}
