import { gunzipSync } from 'node:zlib'
import type { Unpacked } from '../base/doors.ts'

const BLOCK_BYTES = 128 * 1_024

/**
 * Unpacks gzip in this thread, once all of the input is there: when it is done hangs on nothing but
 * the calls of the disk. Fails when the input is cut off or damaged, before its first block.
 */
export function gunzipAtOnce(compressed: AsyncIterable<Uint8Array>): Unpacked {
  let inputBytes = 0
  async function* blocks(): AsyncGenerator<Uint8Array> {
    const parts: Uint8Array[] = []
    for await (const part of compressed) parts.push(part)
    const { buffer, engine } = gunzipSync(Buffer.concat(parts), { info: true }) as unknown as Info
    inputBytes = engine.bytesWritten
    for (let at = 0; at < buffer.length; at += BLOCK_BYTES) {
      yield buffer.subarray(at, at + BLOCK_BYTES)
    }
  }
  return { [Symbol.asyncIterator]: blocks, inputBytes: () => inputBytes }
}

/** What \`info: true\` gives, which the types do not know. */
interface Info {
  readonly buffer: Buffer
  readonly engine: { readonly bytesWritten: number }
}
