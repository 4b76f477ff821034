import { createHash } from 'node:crypto'

/**
 * A partition's name, as the job's function gives it, as a folder below the table.
 *
 * `/` separates folders; in each, what file systems or readers take for something else becomes %XX,
 * as in Hive, whose readers undo it behind `key=`. So `..` and hidden names cannot occur, and two
 * partitions never share a folder. An empty value is `__HIVE_DEFAULT_PARTITION__`.
 */
export function partitionPath(partition: string): string {
  return partition === '' ? '' : partition.split('/').map(segmentOf).join('/')
}

const EMPTY = '__HIVE_DEFAULT_PARTITION__'
/** A name of no characters; nothing else is escaped to a lone %. */
const NOTHING = '%'
/** File systems take 255 bytes. */
const SEGMENT_BYTES_MAX = 240

function segmentOf(segment: string): string {
  const equals = segment.indexOf('=')
  const name = escaped(segment.slice(0, equals < 0 ? undefined : equals)) || NOTHING
  const whole = equals < 0 ? name : `${name}=${escaped(segment.slice(equals + 1)) || EMPTY}`
  if (Buffer.byteLength(whole) <= SEGMENT_BYTES_MAX) return whole
  const hash = createHash('sha256').update(segment, 'utf16le').digest('hex').slice(0, 32)
  return `${cutBytes(whole, SEGMENT_BYTES_MAX - hash.length - 2)}%~${hash}`
}

function escaped(text: string): string {
  const safe = text.replaceAll(UNSAFE, (character) => percent(character))
  // Readers skip what begins with these; and no value looks like the empty one.
  return /^[._]/.test(safe) ? percent(safe[0]!) + safe.slice(1) : safe
}

/** What Hive escapes, control characters, `~`, and halves of characters. */
const UNSAFE = /[\u0000-\u001f"#%'*/:<=>?\\{}[\]^|~\u007f]|\p{Surrogate}/gu

function percent(character: string): string {
  const code = character.charCodeAt(0)
  return code > 255
    ? `%u${code.toString(16).toUpperCase()}`
    : `%${code.toString(16).toUpperCase().padStart(2, '0')}`
}

function cutBytes(text: string, bytes: number): string {
  let cut = text
  while (Buffer.byteLength(cut) > bytes) cut = cut.slice(0, -1)
  return cut.replace(/\p{Surrogate}$/u, '')
}
