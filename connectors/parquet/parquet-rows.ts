/** The door to the library that reads Parquet: another one than writes it, so that it can judge. */
import { decompress as zstd } from 'fzstd'
import { parquetMetadataAsync, parquetReadObjects } from 'hyparquet'
import type { AsyncBuffer, Compressors, FileMetaData, ParquetParsers } from 'hyparquet'
import { uncompressSync as lz4 } from 'lz4-napi'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { messageOf, StreamError } from '../../engine/index.ts'

/** The rows of a file, each as a text that no other row has: its fields in order, as JSON. */
export async function parquetRows(bytes: Uint8Array, path: string): Promise<readonly string[]> {
  const file: AsyncBuffer = {
    byteLength: bytes.length,
    slice: (start, end) => new Uint8Array(bytes.subarray(start, end)).buffer,
  }
  try {
    const metadata = withoutDecimals(await parquetMetadataAsync(file))
    const rows = await parquetReadObjects({ file, metadata, utf8: false, compressors, parsers })
    return rows.map((row) => textOf(row))
  } catch (cause) {
    const reason = messageOf(cause)
    throw new StreamError('FILE_IO', `the file "${path}" is no whole Parquet file: ${reason}`, {
      cause,
    })
  }
}

const compressors: Compressors = {
  GZIP: (input) => gunzipSync(input),
  BROTLI: (input) => brotliDecompressSync(input),
  ZSTD: (input, length) => zstd(input, new Uint8Array(length)),
  LZ4_RAW: (input, length) => {
    const framed = Buffer.alloc(4 + input.length)
    framed.writeUInt32LE(length)
    framed.set(input, 4)
    return lz4(framed)
  },
}

/** Numbers as they are stored: dates have no room for all of them. */
const parsers = {
  timestampFromMilliseconds: (ms) => ms,
  dateFromDays: (days) => days,
} satisfies Partial<ParquetParsers>

/** The library makes floating point numbers of decimals; as what they are stored, none is lost. */
function withoutDecimals(metadata: FileMetaData): FileMetaData {
  const schema = metadata.schema.map((element) => {
    if (element.converted_type !== 'DECIMAL') return element
    const { name, type, type_length, repetition_type, num_children } = element
    return { name, type, type_length, repetition_type, num_children }
  })
  return { ...metadata, schema } as FileMetaData
}

function textOf(value: unknown): string {
  switch (typeof value) {
    case 'bigint':
    case 'boolean':
      return String(value)
    case 'number':
      if (Object.is(value, -0)) return '-0'
      return Number.isFinite(value) ? String(value) : `"${value}"`
    case 'string':
      return JSON.stringify(value)
    case 'object':
      break
    default:
      return 'null'
  }
  if (value === null) return 'null'
  if (value instanceof Uint8Array) return JSON.stringify(Buffer.from(value).toString('base64'))
  if (Array.isArray(value)) return `[${value.map(textOf).join(',')}]`
  const fields = Object.entries(value).map(([name, field]) => {
    return `${JSON.stringify(name)}:${textOf(field)}`
  })
  return `{${fields.join(',')}}`
}
