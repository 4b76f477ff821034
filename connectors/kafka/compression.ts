import type * as Fzstd from 'fzstd'
import type * as Lz4 from 'lz4-napi'
import type * as Snappy from 'snappy'
import { createRequire } from 'node:module'
import * as zlib from 'node:zlib'

/** A codec's library is loaded by the first batch that needs it: most jobs need none. */
const load = createRequire(import.meta.url)
const codecs = {
  fzstd: (): typeof Fzstd => load('fzstd') as typeof Fzstd,
  lz4: (): typeof Lz4 => load('lz4-napi') as typeof Lz4,
  snappy: (): typeof Snappy => load('snappy') as typeof Snappy,
}

/**
 * The codecs of a record batch. Each refuses to grow beyond `bytesMax` before it has taken the
 * memory; damage is a RangeError or the codec's own error.
 */
export function decompress(codec: number, bytes: Buffer, bytesMax: number): Uint8Array {
  switch (codec) {
    case 1:
      return zlib.gunzipSync(bytes, { maxOutputLength: bytesMax })
    case 2:
      return snappy(bytes, bytesMax)
    case 3:
      return lz4(bytes, bytesMax)
    case 4:
      return zstd(bytes, bytesMax)
    default:
      throw new RangeError(`compression ${codec} is not known`)
  }
}

/**
 * xerial := magic: 8 bytes  version: int32  compatible: int32  (length: int32  snappy block)*
 *
 * Java producers frame their blocks so; librdkafka and others write one bare block.
 */
const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00])
const XERIAL_HEADER_BYTES = 16

function snappy(bytes: Buffer, bytesMax: number): Uint8Array {
  if (!bytes.subarray(0, 8).equals(XERIAL_MAGIC)) return snappyBlock(bytes, bytesMax)
  if (bytes.length < XERIAL_HEADER_BYTES) throw new RangeError('a snappy frame is cut off')
  const blocks: Uint8Array[] = []
  let total = 0
  let at = XERIAL_HEADER_BYTES
  while (at < bytes.length) {
    const length = bytes.readInt32BE(at)
    at += 4
    if (length < 0 || at + length > bytes.length) throw new RangeError('a snappy block is cut off')
    const block = snappyBlock(bytes.subarray(at, at + length), bytesMax - total)
    blocks.push(block)
    total += block.length
    at += length
  }
  return blocks.length === 1 ? blocks[0]! : Buffer.concat(blocks, total)
}

function snappyBlock(bytes: Buffer, bytesMax: number): Uint8Array {
  limit(uncompressedLength(bytes), bytesMax)
  const block = codecs.snappy().uncompressSync(bytes, { asBuffer: true })
  if (typeof block === 'string') throw new TypeError('snappy gave text')
  return block
}

/** A bare snappy block begins with its length as an unsigned varint. */
function uncompressedLength(bytes: Buffer): number {
  let value = 0
  for (let index = 0; index < 5; index += 1) {
    const byte = bytes.readUInt8(index)
    value += (byte & 0x7f) * 128 ** index
    if (byte < 0x80) return value
  }
  throw new RangeError('a snappy block has no length')
}

/**
 * lz4 frame := magic: uint32 LE  flags: uint8  block descriptor: uint8  [content size: uint64]
 *              [dictionary id: uint32]  header checksum: uint8
 *              (size: uint32 LE  block  [checksum: uint32])*  0: uint32  [content checksum: uint32]
 *
 * The blocks say how large each may become: their sum bounds the frame before it is opened.
 */
const LZ4_MAGIC = 0x184d2204
const LZ4_BLOCK_BYTES = [0, 0, 0, 0, 65_536, 262_144, 1_048_576, 4_194_304]

function lz4(bytes: Buffer, bytesMax: number): Uint8Array {
  limit(lz4Bound(bytes), Math.max(bytesMax, LZ4_BLOCK_BYTES[7]!))
  const frame = codecs.lz4().decompressFrameSync(bytes)
  limit(frame.length, bytesMax)
  return frame
}

function lz4Bound(bytes: Buffer): number {
  if (bytes.readUInt32LE(0) !== LZ4_MAGIC) throw new RangeError('an lz4 frame has no magic number')
  const flags = bytes.readUInt8(4)
  const blockBytes = LZ4_BLOCK_BYTES[(bytes.readUInt8(5) >> 4) & 7]!
  const checksumBytes = (flags & 16) === 0 ? 0 : 4
  let at = 7 + ((flags & 8) === 0 ? 0 : 8) + ((flags & 1) === 0 ? 0 : 4)
  let bound = 0
  for (;;) {
    const size = bytes.readUInt32LE(at)
    if (size === 0) return bound
    const stored = size >= 0x80000000
    const length = stored ? size - 0x80000000 : size
    // One byte of lz4 stands for at most 255.
    bound += stored ? length : Math.min(blockBytes, length * 255)
    at += 4 + length + checksumBytes
  }
}

type ZstdSync = (bytes: Uint8Array, options: { readonly maxOutputLength: number }) => Buffer

/** Node has it from 22.15 on; below, a decoder in JavaScript does it. */
const nativeZstd = (zlib as { readonly zstdDecompressSync?: ZstdSync }).zstdDecompressSync

function zstd(bytes: Buffer, bytesMax: number): Uint8Array {
  if (nativeZstd !== undefined) return nativeZstd(bytes, { maxOutputLength: bytesMax })
  const blocks: Uint8Array[] = []
  let total = 0
  const stream = new (codecs.fzstd().Decompress)((block) => {
    total += block.length
    limit(total, bytesMax)
    blocks.push(block)
  })
  stream.push(bytes, true)
  return blocks.length === 1 ? blocks[0]! : Buffer.concat(blocks, total)
}

function limit(length: number, bytesMax: number): void {
  if (length <= bytesMax) return
  throw new RangeError(`a batch grows to ${length} bytes decompressed, allowed are ${bytesMax}`)
}
