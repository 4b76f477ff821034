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

/** The folder of one value of a column; null for null. */
export function segmentPath(column: string, value: string | null): string {
  return cutTo(wholeOf(column, value ?? ''), () => `${column}=${value}`)
}

/** Whether a folder's name can hold all of `key=value`, as readers of paths decode it. */
export function isWholeInPath(segment: string): boolean {
  const equals = segment.indexOf('=')
  const whole = wholeOf(segment.slice(0, equals), segment.slice(equals + 1))
  return Buffer.byteLength(whole) <= SEGMENT_BYTES_MAX && !/\p{Surrogate}/u.test(segment)
}

/** What Hive calls the folder of null. */
export const HIVE_NULL = '__HIVE_DEFAULT_PARTITION__'
/** A name of no characters; nothing else is escaped to a lone %. */
const NOTHING = '%'
/** File systems take 255 bytes. */
const SEGMENT_BYTES_MAX = 240

function segmentOf(segment: string): string {
  const equals = segment.indexOf('=')
  const whole =
    equals < 0
      ? escaped(segment) || NOTHING
      : wholeOf(segment.slice(0, equals), segment.slice(equals + 1))
  return cutTo(whole, () => segment)
}

function wholeOf(name: string, value: string): string {
  return `${escaped(name) || NOTHING}=${escaped(value) || HIVE_NULL}`
}

/** A name that is too long, cut, with a hash of what it was. */
function cutTo(whole: string, text: () => string): string {
  if (Buffer.byteLength(whole) <= SEGMENT_BYTES_MAX) return whole
  const hash = createHash('sha256').update(text(), 'utf16le').digest('hex').slice(0, 32)
  return `${cutBytes(whole, SEGMENT_BYTES_MAX - hash.length - 2)}%~${hash}`
}

function escaped(text: string): string {
  const safe = text.replaceAll(UNSAFE, (character) => percent(character))
  // Readers skip what begins with these, and take some words for null.
  return /^[._]|^null$/i.test(safe) ? percent(safe[0]!) + safe.slice(1) : safe
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
