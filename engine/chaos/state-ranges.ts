import type { StateFileHeader } from '../state/state-file.ts'

/** For whom a file of keyed state is. */
export type FileRange = Pick<StateFileHeader, 'uid' | 'subtask' | 'range' | 'maxParallelism'>

const MAGIC = 'MRSTATE1'
const FRONT_BYTES = 16

/** What the header of a file of keyed state says; undefined for any other file. */
export function rangeOf(bytes: Uint8Array | undefined): FileRange | undefined {
  if (bytes === undefined || bytes.length < FRONT_BYTES) return undefined
  const front = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  if (front.toString('latin1', 0, MAGIC.length) !== MAGIC) return undefined
  const length = front.readUInt32BE(MAGIC.length)
  return JSON.parse(front.toString('utf8', FRONT_BYTES, FRONT_BYTES + length)) as FileRange
}
