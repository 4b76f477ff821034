import {
  formatDay,
  isAsyncFunction,
  isPromiseLike,
  parseDay,
  StreamError,
} from '../../engine/index.ts'
import type { SchemaData, StructData } from '../../engine/index.ts'
import { formatDecimal, parseDecimal } from '../formats/decimal.ts'
import { readCode } from '../formats/field-code.ts'
import { describe, shown, unfit } from '../formats/unfit.ts'
import { HIVE_NULL, isWholeInPath, partitionPath, segmentPath } from './partition-path.ts'

/** Where a record goes: the names of one or more fields, or a function that gives the folder. */
export type PartitionBy<V> =
  Extract<keyof V, string> | readonly Extract<keyof V, string>[] | ((record: V) => string)

export interface PartitionOptions<V> {
  /**
   * The folders of the table, in the way of Hive, which DuckDB, pyarrow and Spark read as columns:
   * `'shop'` and `['day', 'shop']` name fields; a function returns a folder such as
   * `day=2026-11-22/shop=7`. A column that is named in the path is not in the files.
   */
  readonly partitionBy?: PartitionBy<NoInfer<V>>
  /** true: the columns that are named in the path stand in the files as well. */
  readonly keepPartitionColumns?: boolean
}

const AT_ONCE = 'Name the folder from the record alone.'

/** A folder of a table. */
export interface Folder {
  /** Below the table; '' is the table itself. */
  readonly path: string
  /** The columns that its path holds, and that its files do not. */
  readonly columns: readonly string[]
}

/**
 * Tells the folder of each record.
 *
 * H1. What a path holds of a record is the whole value of its column, as a reader of the path
 *     decodes it; a value that cannot stand there is refused. Only then is it left out of the file.
 * H2. Null is `__HIVE_DEFAULT_PARTITION__`, and so is the empty text: Hive has no other name for it.
 */
export interface Partitioning {
  /** Equal for records of one folder, different for others. */
  keyOf(record: unknown): string
  folderOf(key: string): Folder
}

/** Undefined: all records go into the table itself. Throws OPTION_INVALID. */
export function partitioning(
  sink: string,
  schema: SchemaData,
  options: PartitionOptions<never>,
): ((uid: string) => Partitioning) | undefined {
  const { partitionBy: by, keepPartitionColumns: keep = false } =
    options as PartitionOptions<object>
  if (typeof keep !== 'boolean') {
    throw invalid(sink, 'keepPartitionColumns', keep, 'Give it true or false, or leave it out.')
  }
  if (by === undefined) return undefined
  if (typeof by === 'function') {
    const named = by.bind(options) as (record: unknown) => unknown
    if (isAsyncFunction(named)) {
      throw new StreamError('STEP_ASYNC', `the "partitionBy" of ${sink} is async`, {
        hint: AT_ONCE,
      })
    }
    return (uid) => new NamedFolders(schema, named, keep, uid)
  }
  const names: readonly unknown[] = Array.isArray(by) ? by : [by]
  const columns = schema.kind === 'struct' ? schema.fields : []
  const fields = names.map((name) => {
    const field = columns.find((column) => column.name === name)
    if (field !== undefined && isPathKind(field.schema)) return field
    const found = field === undefined ? 'which is no column' : `which is ${describe(field.schema)}`
    throw invalid(
      sink,
      'partitionBy',
      `${shown(name)}, ${found}`,
      'Name columns of texts, whole numbers, booleans, dates or decimals, or give a function.',
    )
  })
  if (fields.length === 0 || new Set(names).size < names.length) {
    throw invalid(sink, 'partitionBy', shown(by), 'Name one column or more, each once.')
  }
  return (uid) => new FieldFolders(fields, keep, uid)
}

/** `partitionBy` as the plan shows it. */
export function partitionJson(options: PartitionOptions<never>): string | readonly string[] {
  const { partitionBy: by } = options as PartitionOptions<object>
  if (by === undefined) return 'none'
  return typeof by === 'function' ? 'function' : by
}

/** What stands in the files of a folder. */
export function withoutColumns(schema: SchemaData, columns: readonly string[]): SchemaData {
  if (schema.kind !== 'struct' || columns.length === 0) return schema
  return { kind: 'struct', fields: schema.fields.filter(({ name }) => !columns.includes(name)) }
}

type Read = (record: unknown) => unknown

function reading(name: string): Read {
  const body = `return (record) => ${readCode('record', name)}`
  return (new Function('hasOwn', body) as (hasOwn: typeof Object.hasOwn) => Read)(Object.hasOwn)
}

class FieldFolders implements Partitioning {
  readonly #fields: StructData['fields']
  readonly #reads: readonly Read[]
  readonly #columns: readonly string[]
  readonly #uid: string

  constructor(fields: StructData['fields'], keep: boolean, uid: string) {
    this.#fields = fields
    this.#reads = fields.map(({ name }) => reading(name))
    this.#columns = keep ? [] : fields.map(({ name }) => name)
    this.#uid = uid
  }

  keyOf(record: unknown): string {
    if (typeof record !== 'object' || record === null) {
      throw unfit('', { kind: 'struct', fields: this.#fields }, record, this.#uid)
    }
    const texts = this.#fields.map(({ name, schema }, index) => {
      const text = pathText(name, schema, this.#reads[index]!(record), this.#uid)
      return text === '' ? null : text
    })
    return JSON.stringify(texts)
  }

  folderOf(key: string): Folder {
    const texts = JSON.parse(key) as readonly (string | null)[]
    const segments = texts.map((text, index) => {
      const { name } = this.#fields[index]!
      if (text !== null && this.#columns.length > 0) checkWhole(name, text, this.#uid)
      return segmentPath(name, text)
    })
    return { path: segments.join('/'), columns: this.#columns }
  }
}

class NamedFolders implements Partitioning {
  readonly #schema: SchemaData
  readonly #by: (record: unknown) => unknown
  readonly #keep: boolean
  readonly #uid: string
  readonly #folders = new Map<string, NamedFolder>()

  constructor(schema: SchemaData, by: (record: unknown) => unknown, keep: boolean, uid: string) {
    this.#schema = schema
    this.#by = by
    this.#keep = keep
    this.#uid = uid
  }

  keyOf(record: unknown): string {
    const name = this.#by(record)
    if (isPromiseLike(name)) {
      const found = `partitionBy of "${this.#uid}" returned a promise`
      throw new StreamError('STEP_ASYNC', found, { hint: AT_ONCE })
    }
    if (typeof name !== 'string') {
      const found = `partitionBy of "${this.#uid}" returned ${typeof name}`
      throw new StreamError('VALUE_UNFIT', found, {
        hint: 'Return a text such as "day=2026-11-22".',
      })
    }
    for (const { field, read, text } of this.#folder(name).held) {
      const own = pathText(field.name, field.schema, read(record), this.#uid) ?? ''
      if (own !== text) throw this.#other(field.name, text, own)
    }
    return name
  }

  folderOf(key: string): Folder {
    return this.#folder(key)
  }

  #folder(name: string): NamedFolder {
    let folder = this.#folders.get(name)
    if (folder === undefined) {
      if (this.#folders.size === FOLDERS_MAX) this.#folders.clear()
      folder = this.#keep ? { path: partitionPath(name), columns: [], held: [] } : this.#made(name)
      this.#folders.set(name, folder)
    }
    return folder
  }

  #made(name: string): NamedFolder {
    const fields = this.#schema.kind === 'struct' ? this.#schema.fields : []
    const held: HeldColumn[] = []
    for (const segment of name.split('/')) {
      const equals = segment.indexOf('=')
      const field = fields.find((column) => column.name === segment.slice(0, Math.max(0, equals)))
      if (equals < 0 || field === undefined) continue
      if (!isPathKind(field.schema)) throw this.#noPath(field.name, field.schema)
      const text = segment.slice(equals + 1)
      checkWhole(field.name, text, this.#uid)
      held.push({ field, read: reading(field.name), text })
    }
    return { path: partitionPath(name), columns: held.map(({ field }) => field.name), held }
  }

  #other(column: string, text: string, own: string): StreamError {
    const found = `partitionBy of "${this.#uid}" says ${shown(`${column}=${text}`)}`
    return new StreamError('VALUE_UNFIT', `${found}, the record's "${column}" is ${shown(own)}`, {
      hint: `Say partitionBy: '${column}', which escapes its values; or name the folder otherwise; or say keepPartitionColumns: true.`,
    })
  }

  #noPath(column: string, schema: SchemaData): StreamError {
    const found = `partitionBy of "${this.#uid}" names a folder "${column}=…", which is a column of ${describe(schema)}`
    return new StreamError('VALUE_UNFIT', found, {
      hint: 'Name the folder otherwise, such as day=2026-11-22, or say keepPartitionColumns: true.',
    })
  }
}

interface HeldColumn {
  readonly field: StructData['fields'][number]
  readonly read: Read
  readonly text: string
}

interface NamedFolder extends Folder {
  readonly held: readonly HeldColumn[]
}

/** Folders remembered with what their names hold. */
const FOLDERS_MAX = 10_000

function isPathKind(schema: SchemaData): boolean {
  const { kind } = schema.kind === 'nullable' ? schema.of : schema
  return PATH_KINDS.has(kind)
}

const PATH_KINDS: ReadonlySet<SchemaData['kind']> = new Set([
  'utf8',
  'int32',
  'int64',
  'bool',
  'date',
  'decimal',
])

/** A value as readers of a path take it; null for null. Throws VALUE_UNFIT. */
function pathText(name: string, schema: SchemaData, value: unknown, uid: string): string | null {
  if (schema.kind === 'nullable') {
    return value === null || value === undefined ? null : pathText(name, schema.of, value, uid)
  }
  const text = pathTextOf(schema, value)
  if (text === undefined) throw unfit(name, schema, value, uid)
  return text
}

function pathTextOf(schema: SchemaData, value: unknown): string | undefined {
  switch (schema.kind) {
    case 'utf8': {
      const isOne = typeof value === 'string' && schema.oneOf?.includes(value) !== false
      return isOne && !/\p{Surrogate}/u.test(value) ? value : undefined
    }
    case 'int32':
      return typeof value === 'number' && (value | 0) === value ? String(value | 0) : undefined
    case 'int64':
      if (typeof value === 'bigint') {
        return BigInt.asIntN(64, value) === value ? String(value) : undefined
      }
      return Number.isSafeInteger(value) ? String(value) : undefined
    case 'bool':
      return typeof value === 'boolean' ? String(value) : undefined
    case 'date': {
      const day = typeof value === 'string' ? parseDay(value) : undefined
      return day === undefined ? undefined : formatDay(day)
    }
    case 'decimal': {
      if (typeof value !== 'string') return undefined
      const unscaled = parseDecimal(value, schema.precision, schema.scale)
      return unscaled === undefined ? undefined : formatDecimal(unscaled, schema.scale)
    }
    default:
      return undefined
  }
}

function checkWhole(column: string, text: string, uid: string): void {
  const isNull = text === HIVE_NULL
  if (!isNull && isWholeInPath(`${column}=${text}`)) return
  const why = isNull ? 'would be read as null from' : 'is too long for'
  const found = `"${column}" of "${uid}" ${why} the name of a folder: ${shown(text)}`
  throw new StreamError('VALUE_UNFIT', found, {
    hint: 'A name has at most 240 bytes with its escapes: change the value, or say keepPartitionColumns: true.',
  })
}

function invalid(sink: string, option: string, found: unknown, hint: string): StreamError {
  return new StreamError('OPTION_INVALID', `"${option}" of ${sink} is ${String(found)}`, { hint })
}
