import { gunzipSync } from 'node:zlib'

const BLOCK_BYTES = 128 * 1_024

/**
 * Unpacks gzip in this thread, once all of the input is there: when it is done hangs on nothing but
 * the calls of the disk. Fails when the input is cut off or damaged, before its first block.
 */
export async function* gunzipAtOnce(
  compressed: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of compressed) parts.push(part)
  const bytes = gunzipSync(Buffer.concat(parts))
  for (let at = 0; at < bytes.length; at += BLOCK_BYTES) yield bytes.subarray(at, at + BLOCK_BYTES)
}
