import { asStreamError, assert } from '../../engine/index.ts'
import type {
  RecordBatch,
  SchemaData,
  SinkWriter,
  StreamError,
  StructData,
  WriterContext,
} from '../../engine/index.ts'
import { refused } from '../files/lines-writer.ts'
import type { Folder, Partitioning } from '../files/partitioning.ts'
import { openStaging, stagingFolder } from '../files/staging.ts'
import type { StagedFileEffect } from '../files/staging.ts'
import { Gate, OutputFile } from './output-file.ts'
import type { OutputHost } from './output-file.ts'
import type { ParquetEncoder, ParquetLayout, TablePiece } from './parquet-file.ts'
import { RowRefused, TableBuffer, TableLayout } from './table-buffer.ts'

/** Rows and bytes of a piece that goes to the encoder: small, as encoding one blocks the thread. */
const PIECE_ROWS = 8_192
const PIECE_BYTES = 1_024 * 1_024
/** Heap bytes that all partitions together gather before the ones unused longest are closed. */
const BUFFERED_BYTES_MAX = 16 * 1_024 * 1_024
/** Bytes that wait to be encoded or written; beyond it the sink takes no more. */
const WAITING_BYTES_MAX = 8 * 1_024 * 1_024
/** Files that are open to grow: each has a row group in the making. */
const OPEN_FILES_MAX = 8
/** Files that are open at all: those, and some that are being closed. */
const CLOSING_FILES_MAX = 8
const SPARE_BUFFERS_MAX = 16

export interface ParquetWriterOptions {
  readonly directory: string
  readonly layout: ParquetLayout
  readonly fileBytesMax: number
  readonly partitioning: Partitioning | undefined
}

/** What folders share whose files have the same columns. */
interface Table {
  readonly layout: TableLayout
  readonly encoder: ParquetEncoder
  readonly spare: TableBuffer[]
}

const WHOLE: Folder = { path: '', columns: [] }

/** A folder of the table, what was gathered for it, and its file once there was a whole piece. */
interface Partition {
  readonly folder: string
  readonly table: Table
  buffer: TableBuffer | undefined
  /** `buffer.bytes` as counted in the sum. */
  bytes: number
  output: OutputFile | undefined
  /** Records of the batch at hand. */
  rows: unknown[]
}

/**
 * Writes the records of one subtask into Parquet files, one or more a partition and checkpoint.
 *
 * W1. A barrier closes all files: what a file holds belongs to one checkpoint.
 * W2. At most OPEN_FILES_MAX + CLOSING_FILES_MAX files are open, whatever the number of partitions.
 * W3. Heap bytes are bounded by BUFFERED_BYTES_MAX + WAITING_BYTES_MAX and one batch.
 */
export class ParquetWriter implements SinkWriter {
  readonly #options: ParquetWriterOptions
  readonly #context: WriterContext
  /** By the columns that are left out. */
  readonly #tables = new Map<string, Table>()
  readonly #staging: string
  #host: OutputHost | undefined
  /** Used longest ago first. */
  #partitions = new Map<string, Partition>()
  #bufferedBytes = 0
  /** Partitions with a file, opened longest ago first. */
  readonly #open = new Set<Partition>()
  readonly #outputs = new Set<OutputFile>()
  #waitingBytes = 0
  /** Files that were closed since the last cut. */
  #closed: Promise<StagedFileEffect>[] = []
  #Encoder: typeof ParquetEncoder | undefined

  constructor(options: ParquetWriterOptions, context: WriterContext) {
    this.#options = options
    this.#context = context
    this.#staging = stagingFolder(options.directory, context.uid)
  }

  async open(): Promise<void> {
    await openStaging(this.#options.directory, this.#context)
    // Some megabytes of code, for jobs that use it.
    const { ParquetEncoder } = await import('./parquet-file.ts')
    this.#Encoder = ParquetEncoder
    const context = this.#context
    this.#host = {
      files: context.doors.files,
      staging: this.#staging,
      gate: new Gate(OPEN_FILES_MAX + CLOSING_FILES_MAX),
      uniqueName: () => context.uniqueName(),
      waiting: (bytes) => {
        this.#waitingBytes += bytes
        if (bytes < 0 && this.ready()) context.kick()
      },
      fail: (error) => {
        context.fail(error)
      },
    }
  }

  write(batch: RecordBatch): void {
    const { rows, count } = batch
    const { partitioning } = this.#options
    if (partitioning === undefined) {
      this.#append(
        this.#partition('', () => WHOLE),
        rows,
        count,
        batch,
      )
      return
    }
    const touched = this.#divide(batch, partitioning)
    for (const partition of touched) {
      const mine = partition.rows
      partition.rows = []
      this.#append(partition, mine, mine.length, batch)
    }
    if (this.#bufferedBytes > BUFFERED_BYTES_MAX) this.#closeOldest()
  }

  ready(): boolean {
    return this.#waitingBytes < WAITING_BYTES_MAX
  }

  prepareCommit(): Promise<readonly StagedFileEffect[]> {
    for (const partition of this.#partitions.values()) this.#close(partition)
    assert(this.#bufferedBytes === 0 && this.#open.size === 0)
    this.#partitions.clear()
    const closed = this.#closed
    this.#closed = []
    return this.#durable(closed)
  }

  async close(): Promise<void> {
    await Promise.all([...this.#outputs].map((output) => output.abandon()))
    await Promise.allSettled(this.#closed)
  }

  async #durable(
    closed: readonly Promise<StagedFileEffect>[],
  ): Promise<readonly StagedFileEffect[]> {
    if (closed.length === 0) return []
    const effects = await Promise.all(closed)
    await this.#context.doors.files.syncDirectory(this.#staging)
    return effects
  }

  /** Gives each record to its partition; returns the partitions that got some. */
  #divide(batch: RecordBatch, partitioning: Partitioning): ReadonlySet<Partition> {
    const { rows, count } = batch
    const touched = new Set<Partition>()
    let last: Partition | undefined
    let lastKey: string | undefined
    for (let row = 0; row < count; row += 1) {
      try {
        const key = partitioning.keyOf(rows[row])
        if (last === undefined || lastKey !== key) {
          last = this.#partition(key, () => partitioning.folderOf(key))
          lastKey = key
          touched.add(last)
        }
      } catch (thrown) {
        throw this.#refused(asStreamError(thrown, 'USER_FUNCTION_FAILED'), batch, row)
      }
      last.rows.push(rows[row])
    }
    return touched
  }

  #partition(key: string, folderOf: () => Folder): Partition {
    let partition = this.#partitions.get(key)
    if (partition === undefined) {
      const { path, columns } = folderOf()
      const table = this.#tableWithout(columns)
      partition = { folder: path, table, buffer: undefined, bytes: 0, output: undefined, rows: [] }
    } else this.#partitions.delete(key)
    this.#partitions.set(key, partition)
    return partition
  }

  #tableWithout(columns: readonly string[]): Table {
    const key = JSON.stringify(columns)
    let table = this.#tables.get(key)
    if (table === undefined) {
      const { layout } = this.#options
      const schema = tableSchema(layout.schema, columns)
      const encoder = new this.#Encoder!({ ...layout, schema })
      table = { layout: new TableLayout(schema, this.#context.uid), encoder, spare: [] }
      this.#tables.set(key, table)
    }
    return table
  }

  #append(partition: Partition, rows: readonly unknown[], count: number, batch: RecordBatch): void {
    const buffer = (partition.buffer ??=
      partition.table.spare.pop() ?? new TableBuffer(partition.table.layout))
    try {
      buffer.append(rows, count)
    } catch (thrown) {
      if (!(thrown instanceof RowRefused)) throw thrown
      throw this.#refused(thrown.cause, batch, batch.rows.indexOf(rows[thrown.row]))
    }
    const { bytes } = buffer
    this.#bufferedBytes += bytes - partition.bytes
    partition.bytes = bytes
    if (buffer.rows >= PIECE_ROWS || bytes >= PIECE_BYTES) this.#spill(partition)
  }

  /** Hands what was gathered to the partition's file. */
  #spill(partition: Partition): void {
    const { buffer, bytes } = partition
    if (buffer === undefined) return
    partition.buffer = undefined
    partition.bytes = 0
    this.#bufferedBytes -= bytes
    if (partition.output === undefined) {
      partition.output = new OutputFile(this.#host!, partition.table.encoder, partition.folder)
      this.#outputs.add(partition.output)
      this.#open.add(partition)
    }
    partition.output.append(pieceOf(buffer, partition.table.spare), bytes)
    if (partition.output.bytes >= this.#options.fileBytesMax) this.#close(partition)
    if (this.#open.size > OPEN_FILES_MAX) {
      const [oldest] = this.#open
      this.#close(oldest!)
    }
  }

  #close(partition: Partition): void {
    this.#spill(partition)
    const { output } = partition
    if (output === undefined) return
    partition.output = undefined
    this.#open.delete(partition)
    const effect = output.finish()
    this.#closed.push(effect)
    // Failures reach the task by `fail`, and whoever waits for the checkpoint.
    effect.then(
      () => this.#outputs.delete(output),
      () => this.#outputs.delete(output),
    )
  }

  #closeOldest(): void {
    for (const [name, partition] of this.#partitions) {
      if (this.#bufferedBytes <= BUFFERED_BYTES_MAX / 2) return
      this.#close(partition)
      this.#partitions.delete(name)
    }
  }

  #refused(thrown: unknown, batch: RecordBatch, row: number): StreamError {
    this.#context.recordIndex = row
    return refused(thrown, batch, row)
  }
}

function pieceOf(buffer: TableBuffer, spare: TableBuffer[]): TablePiece {
  return {
    rows: buffer.rows,
    columns: () => buffer.columns(),
    release: () => {
      buffer.clear()
      // Large ones are given up, so that spare ones stay small.
      if (spare.length < SPARE_BUFFERS_MAX && buffer.bytes <= 2 * PIECE_BYTES) spare.push(buffer)
    },
  }
}

/** The columns of the files of a folder. A file needs one: where the path has all, an empty one. */
function tableSchema(schema: StructData, columns: readonly string[]): StructData {
  const fields = schema.fields.filter(({ name }) => !columns.includes(name))
  if (fields.length > 0) return { kind: 'struct', fields }
  let name = '_empty'
  while (columns.includes(name)) name = `_${name}`
  const nothing: SchemaData = { kind: 'nullable', of: { kind: 'bool' } }
  return { kind: 'struct', fields: [{ name, schema: nothing }] }
}
