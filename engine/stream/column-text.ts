/**
 * Text of a column: many strings to one block of bytes and back, without a call for each.
 *
 * What holds: a string of 13 characters or more that comes out is a slice of a block of at most
 * BLOCK_BYTES (of the string alone where that is longer), and keeps that block alive.
 */
import { isAscii } from 'node:buffer'
import type { Memory, TextForm } from './wire-schema.ts'
import { readText, writeText } from './text-bytes.ts'
import { TEXT_FORM, align } from './wire-schema.ts'

/**
 * Bytes decoded by one call and then cut. A string that is kept for long keeps its block, so blocks
 * are small: 64 KiB would be a quarter faster, and a million kept strings could hold 64 GB.
 */
const BLOCK_BYTES = 512

/** Where a block of text went. `end` is -1 when it did not fit. */
export interface TextPlace {
  end: number
  length: number
  form: TextForm
  units: number
}

/**
 * Writes the text of a column, all records in one string, to `start .. limit`. `ends` is the place
 * (int32 index) of the offsets, which hold the ends in UTF-16 units and are made ends in bytes.
 */
export function writeTexts(
  memory: Memory,
  text: string,
  ends: number,
  count: number,
  start: number,
  limit: number,
  place: TextPlace,
): void {
  const length = text.length
  place.form = TEXT_FORM.ascii
  place.units = 0
  place.end = -1
  const isRoomy = start + 3 * length <= limit
  const bytes = isRoomy ? length : Buffer.byteLength(text, 'utf8')
  if (start + bytes > limit) return
  const written = memory.bytes.write(text, start, limit - start, 'utf8')
  if (written === length) {
    place.length = written
    place.end = align(start + written)
  } else {
    writeWideTexts(memory, text, ends, count, start, written, limit, place)
  }
}

/** Finds the ends in bytes; `written` bytes of UTF-8 already stand at `start`. */
function writeWideTexts(
  memory: Memory,
  text: string,
  ends: number,
  count: number,
  start: number,
  written: number,
  limit: number,
  place: TextPlace,
): void {
  const { int32 } = memory
  const units = align(start + written)
  if (units + 4 * (count + 1) > limit) return
  int32.copyWithin(units >> 2, ends, ends + count + 1)
  let unit = 0
  let byte = 0
  for (let index = 1; index <= count; index += 1) {
    for (const end = int32[ends + index]!; unit < end; unit += 1) {
      const code = text.charCodeAt(unit)
      if (code < 0x80) byte += 1
      else if (code < 0x800) byte += 2
      else if (code < 0xd800 || code > 0xdfff) byte += 3
      else if (code < 0xdc00 && unit + 1 < end && isLow(text.charCodeAt(unit + 1))) {
        byte += 4
        unit += 1
      } else {
        writeOddTexts(memory, text, ends, units >> 2, count, start, limit, place)
        return
      }
    }
    int32[ends + index] = byte
  }
  place.form = TEXT_FORM.units
  place.length = byte
  place.units = units
  place.end = align(units + 4 * (count + 1))
}

/** Text with lone surrogates, string by string. */
function writeOddTexts(
  memory: Memory,
  text: string,
  ends: number,
  units: number,
  count: number,
  start: number,
  limit: number,
  place: TextPlace,
): void {
  const { int32 } = memory
  const unitEnds = int32.slice(units, units + count + 1)
  let at = start
  for (let index = 1; index <= count; index += 1) {
    const one = text.substring(unitEnds[index - 1]!, unitEnds[index])
    if (at + 3 * one.length > limit) return
    at = writeText(one, memory.bytes, at)
    int32[ends + index] = at - start
  }
  place.form = TEXT_FORM.unknown
  place.length = at - start
  place.end = align(at)
}

function isLow(code: number): boolean {
  return code >= 0xdc00 && code <= 0xdfff
}

/** The strings of a column, `texts[index]` for each record. */
export function readTexts(
  bytes: Uint8Array,
  offsets: Int32Array,
  units: Int32Array | undefined,
  count: number,
  form: TextForm,
  texts: string[],
): void {
  const buffer = Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (form === TEXT_FORM.ascii || (form === TEXT_FORM.unknown && isPlain(bytes, offsets, count))) {
    readBlocks(buffer, 'latin1', offsets, offsets, count, texts)
  } else if (form === TEXT_FORM.units) {
    readBlocks(buffer, 'utf8', offsets, units!, count, texts)
  } else {
    for (let index = 0; index < count; index += 1) {
      texts[index] = readText(buffer, offsets[index]!, offsets[index + 1]!)
    }
  }
}

function isPlain(bytes: Uint8Array, offsets: Int32Array, count: number): boolean {
  return isAscii(bytes.subarray(offsets[0], offsets[count]))
}

function readBlocks(
  buffer: Buffer,
  encoding: 'latin1' | 'utf8',
  offsets: Int32Array,
  units: Int32Array,
  count: number,
  texts: string[],
): void {
  let index = 0
  while (index < count) {
    const start = offsets[index]!
    let next = index + 1
    while (next < count && offsets[next + 1]! - start <= BLOCK_BYTES) next += 1
    const block = buffer.toString(encoding, start, offsets[next])
    const first = units[index]!
    for (let from = 0; index < next; index += 1) {
      const to = units[index + 1]! - first
      texts[index] = block.substring(from, to)
      from = to
    }
  }
}
