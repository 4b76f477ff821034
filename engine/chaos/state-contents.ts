import type { StateFileHeader } from '../state/state-file.ts'
import { BLOCK_HEAD_BYTES, BlockReader } from '../state/cell-run.ts'
import { keyTextOf } from '../state/cell.ts'
import { ByteReader } from '../stream/byte-buffer.ts'

/** Whose a file of keyed state is. */
export type FileRange = Pick<StateFileHeader, 'uid' | 'subtask' | 'range' | 'maxParallelism'>

/** A key, in the key group that its file has it in. */
export interface KeptKey {
  readonly keyGroup: number
  /** Its canonical bytes, one a character. */
  readonly key: string
}

const MAGIC = 'MRSTATE1'
const FRONT_BYTES = 16
const TAIL_BYTES = 24

/** What the header of a file of keyed state says; undefined for any other file. */
export function rangeOf(bytes: Uint8Array): FileRange | undefined {
  if (bytes.length < FRONT_BYTES) return undefined
  const front = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  if (front.toString('latin1', 0, MAGIC.length) !== MAGIC) return undefined
  const length = front.readUInt32BE(MAGIC.length)
  return JSON.parse(front.toString('utf8', FRONT_BYTES, FRONT_BYTES + length)) as FileRange
}

/**
 * Each key of which a file of keyed state has a cell, once. Read as it was written: nothing waits,
 * and no checksum is looked at.
 */
export function* keysOf(bytes: Uint8Array): Generator<KeptKey> {
  const tail = new ByteReader(bytes.subarray(bytes.length - TAIL_BYTES))
  const at = tail.float64()
  const index = new ByteReader(bytes.subarray(at, at + tail.uint32()))
  while (!index.isAtEnd) {
    const keyGroup = index.count()
    const offset = index.count()
    const length = index.count()
    index.count()
    for (const key of keysIn(bytes.subarray(offset, offset + length))) yield { keyGroup, key }
  }
}

/** Cells of a key lie together, so that each is seen once. */
function* keysIn(group: Uint8Array): Generator<string> {
  const blocks = new DataView(group.buffer, group.byteOffset, group.length)
  let last: string | undefined
  for (let at = 0; at < group.length;) {
    const from = at + BLOCK_HEAD_BYTES
    at = from + blocks.getUint32(at)
    const reader = new BlockReader(group.subarray(from, at))
    for (let cell = reader.next(); cell !== undefined; cell = reader.next()) {
      const key = keyTextOf(cell)
      if (key !== last) yield key
      last = key
    }
  }
}
