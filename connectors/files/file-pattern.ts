import { dirname, join, relative } from 'node:path'
import { errnoOf, realPlace, StreamError } from '../../engine/index.ts'
import type { FileInfo, Files, OwnFolder } from '../../engine/index.ts'

/**
 * The files that a path names: one file, all files in and below a folder, or those that a pattern
 * matches. In patterns `*` and `?` stand for characters of one name, `**` for any number of
 * folders, `[a-z]` for one character and `{a,b}` for either.
 *
 * Names that begin with `.` or `_` are skipped, unless the path or pattern itself names them so.
 */
export interface FoundFile {
  /** Relative to the folder that the search began in: stable, and unique among the files. */
  readonly name: string
  readonly path: string
  readonly info: FileInfo
}

/**
 * Sorted by name. Throws OPTION_INVALID when there is nothing at `path`, or when it is a pattern that
 * no file matches and nobody waits for one. An empty folder is none.
 */
export async function findFiles(
  files: Files,
  path: string,
  watch = false,
): Promise<readonly FoundFile[]> {
  const info = await statOf(files, path)
  if (info !== undefined) {
    if (!info.isDirectory) return [{ name: baseName(path), path, info: regular(path, info) }]
    return sorted(await walk(files, path, Infinity, () => true))
  }
  if (!MAGIC.test(path)) throw nothingAt(path)
  const { base, pattern, depthMax } = parsePattern(path)
  if ((await statOf(files, base))?.isDirectory !== true) throw nothingAt(base)
  const found = await walk(files, base, depthMax, (name) => pattern.test(name), pattern)
  if (found.length === 0 && !watch) throw nothingMatches(path)
  return sorted(found)
}

const MAGIC = /[*?[{]/

function nothingAt(path: string): StreamError {
  return new StreamError('OPTION_INVALID', `there is nothing at the path "${path}"`, {
    hint: 'Correct the "path" of fileSource; it is relative to the current directory.',
  })
}

function nothingMatches(path: string): StreamError {
  return new StreamError('OPTION_INVALID', `no file matches the path "${path}"`, {
    hint: 'Correct the "path" of fileSource, or set watch: true to wait for files.',
  })
}

/** Names of files as sinks give them, in a table and in its partitions. */
const PLACES = ['', 'key=value/', 'key=value/other=value/']
const OWN_NAME = '0f5ca1ab1e00-0-4294967297-0'
const IS_OWN_NAME = /\/[0-9a-f]+(-\d+){3}[^/]*$/

/**
 * Whether files that the job writes into one of its own folders are among those of `path`. A single
 * file in such a folder is not.
 */
export async function wouldFind(
  files: Files,
  path: string,
  { path: folder, ending }: OwnFolder,
): Promise<boolean> {
  const info = await statOf(files, path)
  const isPattern = info === undefined && MAGIC.test(path)
  if (!isPattern && info?.isDirectory !== true) return false
  const { base, pattern } = isPattern ? parsePattern(path) : { base: path, pattern: undefined }
  const from = await realPlace(files, base)
  const below = relative(from, folder)
  const above = relative(folder, from)
  const isAbove = above !== '' && above !== '..' && !above.startsWith('../')
  if (!isAbove && (below === '..' || below.startsWith('../'))) return false
  const places = PLACES.map((place) => `${isAbove ? '' : below}/${place}${OWN_NAME}${ending}`)
  return places.some((place) => {
    const name = place.replace(/^\//, '')
    return pattern === undefined ? !/(^|\/)[._]/.test(name) : pattern.test(name)
  })
}

/** Tells whether a file that was found is the job's own: it may lie behind a link. */
export class OwnFiles {
  readonly #files: Files
  readonly #own: readonly OwnFolder[]
  /** Folders without links on the way, by how they were found. */
  readonly #real = new Map<string, string>()

  constructor(files: Files, own: readonly OwnFolder[]) {
    this.#files = files
    this.#own = own
  }

  async find(path: string): Promise<OwnFolder | undefined> {
    const own = this.#own.filter(({ ending }) => path.endsWith(ending))
    if (own.length === 0 || !IS_OWN_NAME.test(path)) return undefined
    const folder = dirname(path)
    let real = this.#real.get(folder)
    if (real === undefined) {
      real = `${await realPlace(this.#files, folder)}/`
      this.#real.set(folder, real)
    }
    return own.find((each) => real.startsWith(`${each.path}/`))
  }
}

/** A pipe can be read once only, a device has no end: neither can be read again after a restart. */
function regular(path: string, info: FileInfo): FileInfo {
  if (info.isFile) return info
  throw new StreamError('OPTION_INVALID', `"${path}" is a pipe, a socket or a device, not a file`, {
    hint: 'fileSource reads files, which can be read again after a restart: write the data to one.',
  })
}

interface Pattern {
  /** The folder above the first name with a special character. */
  readonly base: string
  readonly pattern: RegExp
  readonly depthMax: number
}

export function parsePattern(path: string): Pattern {
  const segments = path.split('/')
  const first = segments.findIndex((segment) => MAGIC.test(segment))
  const base = first === 0 ? '.' : segments.slice(0, first).join('/') || '/'
  const rest = segments.slice(first).filter((segment) => segment !== '')
  let source = ''
  for (const [index, segment] of rest.entries()) {
    const last = index === rest.length - 1
    if (segment === '**') source += last ? `(?:${VISIBLE}/)*${VISIBLE}` : `(?:${VISIBLE}/)*`
    else source += segmentSource(segment) + (last ? '' : '/')
  }
  const depthMax = rest.some((segment) => segment.includes('**')) ? Infinity : rest.length
  return { base, pattern: new RegExp(`^${source}$`, 'u'), depthMax }
}

const VISIBLE = '(?![._])[^/]+'

function segmentSource(segment: string): string {
  let source = /^[*?[{]/.test(segment) ? '(?![._])' : ''
  let depth = 0
  for (let at = 0; at < segment.length; at += 1) {
    const character = segment[at]!
    const closing = character === '[' ? segment.indexOf(']', at + 2) : -1
    if (character === '*') source += '[^/]*'
    else if (character === '?') source += '[^/]'
    else if (closing > 0) {
      const set = segment
        .slice(at + 1, closing)
        .replaceAll('\\', '\\\\')
        .replace(/^!/, '^')
      source += `[${set.replaceAll('[', '\\[')}]`
      at = closing
    } else if (character === '{' && segment.includes('}', at)) {
      source += '(?:'
      depth += 1
    } else if (character === '}' && depth > 0) {
      source += ')'
      depth -= 1
    } else if (character === ',' && depth > 0) source += '|'
    else source += character.replace(/[\\^$.*+?()[\]{}|/]/, '\\$&')
  }
  return source
}

/** `pattern` itself decides on hidden names where there is one. */
async function walk(
  files: Files,
  base: string,
  depthMax: number,
  matches: (name: string) => boolean,
  pattern?: RegExp,
): Promise<FoundFile[]> {
  const found: FoundFile[] = []
  const visit = async (
    folder: string,
    prefix: string,
    depth: number,
    above: readonly number[],
  ): Promise<void> => {
    for (const entry of await files.list(folder)) {
      if (pattern === undefined && /^[._]/.test(entry)) continue
      const path = join(folder, entry)
      const name = prefix + entry
      const info = await statOf(files, path)
      if (info === undefined) continue // Removed since the folder was listed.
      if (!info.isDirectory) {
        if (matches(name)) found.push({ name, path, info: regular(path, info) })
      } else if (depth < depthMax && !above.includes(info.inode)) {
        // A link to a folder above would lead around for ever.
        await visit(path, `${name}/`, depth + 1, [...above, info.inode])
      }
    }
  }
  await visit(base, '', 1, [(await files.stat(base)).inode])
  return found
}

async function statOf(files: Files, path: string): Promise<FileInfo | undefined> {
  try {
    return await files.stat(path)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined
    throw error
  }
}

function sorted(found: FoundFile[]): FoundFile[] {
  return found.sort((left, right) => (left.name < right.name ? -1 : 1))
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}
