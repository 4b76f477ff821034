import { asStreamError, schemaData, sinkOf, StreamError } from '../../engine/index.ts'
import type { RecordBatch, Schema, Sink, SinkWriter, WriterContext } from '../../engine/index.ts'
import { formatDefinition } from '../formats/format.ts'
import type { Encoder } from '../formats/format.ts'
import { json } from '../formats/json-format.ts'
import { FileCommitter } from './file-committer.ts'
import { publishedLines } from './published-files.ts'
import { StagedFile } from './staged-file.ts'
import { openStaging, stagingFolder } from './staging.ts'
import type { StagedFileEffect } from './staging.ts'

const EXTENSION = '.jsonl'
/** A file gets no longer than about this. */
const FILE_BYTES_MAX = 256 * 1_024 * 1_024
/** Characters gathered before they are written. */
const CHUNK_CHARACTERS = 64 * 1_024
/** Bytes on their way to the disk; beyond it the sink takes no more. */
const WAITING_BYTES_MAX = 4 * 1_024 * 1_024

export interface FileSinkOptions<V> {
  /** Files appear here after their checkpoint, `<name>.jsonl`, each complete. */
  readonly directory: string
  readonly schema: Schema<V>
}

/** Records as JSON lines, each exactly once: staged, then linked in when the checkpoint is complete. */
export function fileSink<V>(options: FileSinkOptions<V>): Sink<V> {
  const { directory } = options
  checkDirectory(directory, 'fileSink')
  const format = formatDefinition(json(options.schema))
  return sinkOf<V>({
    kind: 'files',
    parameters: { directory, format: format.kind },
    folder: directory,
    schema: schemaData(options.schema),
    createWriter: (context) =>
      new FileSinkWriter(directory, format.createEncoder(context.uid), context),
    createCommitter: (context) => new FileCommitter(directory, context),
    published: ({ files }) => publishedLines(files, directory, EXTENSION),
  })
}

export function checkDirectory(directory: unknown, sink: string): void {
  if (typeof directory === 'string' && directory !== '' && !/^\.?\.?\/*$/.test(directory)) return
  throw new StreamError(
    'OPTION_INVALID',
    `the "directory" of ${sink} is ${JSON.stringify(directory)}`,
    {
      hint: 'Name a folder of its own: its staging folder stands beside it.',
    },
  )
}

class FileSinkWriter implements SinkWriter {
  readonly #directory: string
  readonly #encoder: Encoder
  readonly #context: WriterContext
  readonly #staging: string
  #file: StagedFile | undefined
  /** Files that got full since the last cut. */
  #full: StagedFile[] = []
  /** Files that are being made durable. */
  readonly #closing = new Set<StagedFile>()
  #text = ''

  constructor(directory: string, encoder: Encoder, context: WriterContext) {
    this.#directory = directory
    this.#encoder = encoder
    this.#context = context
    this.#staging = stagingFolder(directory, context.uid)
  }

  open(): Promise<void> {
    return openStaging(this.#directory, this.#context)
  }

  write(batch: RecordBatch): void {
    const { rows, count } = batch
    let text = this.#text
    let row = 0
    try {
      for (; row < count; row += 1) text += `${this.#encoder.encode(rows[row])}\n`
    } catch (thrown) {
      this.#context.recordIndex = row
      throw refused(thrown, batch, row)
    }
    this.#text = text
    if (text.length >= CHUNK_CHARACTERS) this.#flush()
  }

  ready(): boolean {
    let bytes = this.#file?.waitingBytes ?? 0
    for (const file of this.#full) bytes += file.waitingBytes
    return bytes < WAITING_BYTES_MAX
  }

  async prepareCommit(): Promise<readonly StagedFileEffect[]> {
    this.#flush()
    const files = this.#full
    if (this.#file !== undefined) files.push(this.#file)
    this.#file = undefined
    this.#full = []
    if (files.length === 0) return []
    for (const file of files) this.#closing.add(file)
    const effects: StagedFileEffect[] = []
    for (const file of files) {
      effects.push(await file.finish(`${file.name}${EXTENSION}`))
      this.#closing.delete(file)
    }
    await this.#context.doors.files.syncDirectory(this.#staging)
    return effects
  }

  async close(): Promise<void> {
    const open = [...this.#full, ...this.#closing]
    if (this.#file !== undefined) open.push(this.#file)
    for (const file of open) await file.abandon()
  }

  #flush(): void {
    if (this.#text === '') return
    this.#file ??= this.#newFile()
    this.#file.append(Buffer.from(this.#text))
    this.#text = ''
    if (this.#file.bytes < FILE_BYTES_MAX) return
    this.#full.push(this.#file)
    this.#file = undefined
  }

  #newFile(): StagedFile {
    const { doors } = this.#context
    return new StagedFile(
      doors.files,
      this.#staging,
      this.#context.uniqueName(),
      () => {
        this.#context.kick()
      },
      (error) => {
        this.#context.fail(error)
      },
    )
  }
}

/** A refused record's error, with what the batch knows of its place. */
export function refused(thrown: unknown, batch: RecordBatch, row: number): StreamError {
  const offset = batch.offsets?.[row]
  return asStreamError(thrown, 'VALUE_UNFIT', offset === undefined ? {} : { offset })
}
