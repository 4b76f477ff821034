import { compressFrameSync } from 'lz4-napi'
import { gzipSync } from 'node:zlib'
import { compressSync } from 'snappy'
import { expect, test } from 'vitest'
import { decompress } from './compression.ts'

const PLAIN = Buffer.from('the same again '.repeat(20_000))

/** As Java's snappy stream frames it: a header, then blocks with their lengths. */
function xerial(plain: Buffer): Buffer {
  const parts: Uint8Array[] = [
    Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1]),
  ]
  for (let at = 0; at < plain.length; at += 32_768) {
    const block = compressSync(plain.subarray(at, at + 32_768))
    const length = Buffer.alloc(4)
    length.writeInt32BE(block.length)
    parts.push(length, block)
  }
  return Buffer.concat(parts)
}

/** A zstd frame of blocks that each repeat one byte 128 KiB times: four bytes a block. */
function repeating(blocks: number): Buffer {
  const parts = [Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0x38])]
  for (let block = 0; block < blocks; block += 1) {
    const header = (131_072 << 3) | (1 << 1) | (block === blocks - 1 ? 1 : 0)
    parts.push(Buffer.from([header & 255, (header >> 8) & 255, header >> 16, 97 + (block % 26)]))
  }
  return Buffer.concat(parts)
}

const CODECS = [
  { name: 'gzip', codec: 1, compressed: gzipSync(PLAIN) },
  { name: 'snappy', codec: 2, compressed: compressSync(PLAIN) },
  { name: 'framed snappy', codec: 2, compressed: xerial(PLAIN) },
  { name: 'lz4', codec: 3, compressed: Buffer.from(compressFrameSync(PLAIN)) },
]

test.each(CODECS)('$name gives back what was compressed', ({ codec, compressed }) => {
  expect(Buffer.from(decompress(codec, compressed, PLAIN.length)).equals(PLAIN)).toBe(true)
})

test.each(CODECS)('$name is refused when it grows beyond the limit', ({ codec, compressed }) => {
  expect(() => decompress(codec, compressed, PLAIN.length - 1)).toThrow()
})

test.each(CODECS)(
  '$name that is cut off is an error, never fewer bytes',
  ({ codec, compressed }) => {
    for (const length of [compressed.length - 1, compressed.length >> 1, 9]) {
      expect(() => {
        const found = decompress(codec, compressed.subarray(0, length), PLAIN.length)
        // What lacks only the checksum at its end may be whole.
        if (!Buffer.from(found).equals(PLAIN)) return
        throw new RangeError('whole')
      }).toThrow()
    }
  },
)

test('zstd blocks follow each other, and a frame that grows too large is refused', () => {
  const found = decompress(4, repeating(5), 5 * 131_072)
  const letters = [0, 1, 2, 3, 4].map((block) => found[block * 131_072])
  expect(letters).toEqual([97, 98, 99, 100, 101])
  expect(found.length).toBe(5 * 131_072)
  expect(() => decompress(4, repeating(5), 4 * 131_072)).toThrow()
})

test('an lz4 frame that claims too much is refused before it takes the memory', () => {
  const bomb = Buffer.from(compressFrameSync(Buffer.alloc(80_000_000)))
  expect(bomb.length).toBeLessThan(400_000)
  expect(() => decompress(3, bomb, 8_000_000)).toThrow(/allowed are 8000000/)
})

test('an unknown codec is named', () => {
  expect(() => decompress(7, Buffer.alloc(1), 1)).toThrow('compression 7 is not known')
})
