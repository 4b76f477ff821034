import { asStreamError, StreamError } from '../../engine/index.ts'
import type { RecordBatch, SinkWriter, WriterContext } from '../../engine/index.ts'
import type { Encoder } from '../formats/format.ts'
import type { Folder, Partitioning } from './partitioning.ts'
import { StagedFile } from './staged-file.ts'
import { openStaging, stagingFolder } from './staging.ts'
import type { StagedFileEffect } from './staging.ts'

export const LINES_EXTENSION = '.jsonl'
/** A file gets no longer than about this. */
const FILE_BYTES_MAX = 256 * 1_024 * 1_024
/** Characters gathered for a folder before they are written. */
const CHUNK_CHARACTERS = 64 * 1_024
/** Characters that all folders together gather before the ones unused longest are closed. */
const BUFFERED_CHARACTERS_MAX = 8 * 1_024 * 1_024
/** Bytes on their way to the disk; beyond it the sink takes no more. */
const WAITING_BYTES_MAX = 4 * 1_024 * 1_024
/** Files that are open to grow. */
const OPEN_FILES_MAX = 8

export interface LinesWriterOptions {
  readonly directory: string
  readonly partitioning: Partitioning | undefined
  /** Writes records without some columns. */
  encoderWithout(columns: readonly string[]): Encoder
}

/** A folder of the table: lines gathered for it, and its file once there were enough. */
interface Output {
  readonly folder: Folder
  readonly encoder: Encoder
  text: string
  file: StagedFile | undefined
}

const TABLE: Folder = { path: '', columns: [] }

/**
 * Writes the records of one subtask as JSON lines, one or more files a folder and checkpoint.
 *
 * L1. A barrier closes all files: what a file holds belongs to one checkpoint.
 * L2. At most OPEN_FILES_MAX files are open, and a few that are being closed.
 */
export class LinesWriter implements SinkWriter {
  readonly #options: LinesWriterOptions
  readonly #context: WriterContext
  readonly #staging: string
  /** Used longest ago first. */
  #outputs = new Map<string, Output>()
  readonly #encoders = new Map<string, Encoder>()
  /** Files that are open to grow, opened longest ago first. */
  readonly #open = new Set<Output>()
  readonly #files = new Set<StagedFile>()
  #bufferedCharacters = 0
  #abandoned = false
  /** Files that were closed since the last cut. */
  #closed: Promise<StagedFileEffect>[] = []

  constructor(options: LinesWriterOptions, context: WriterContext) {
    this.#options = options
    this.#context = context
    this.#staging = stagingFolder(options.directory, context.uid)
  }

  open(): Promise<void> {
    return openStaging(this.#options.directory, this.#context)
  }

  write(batch: RecordBatch): void {
    const { rows, count } = batch
    const { partitioning } = this.#options
    let output = partitioning === undefined ? this.#output('', TABLE) : undefined
    let key: string | undefined
    let row = 0
    try {
      for (; row < count; row += 1) {
        if (partitioning !== undefined) {
          const next = partitioning.keyOf(rows[row])
          if (next !== key) output = this.#output(next, undefined)
          key = next
        }
        const before = output!.text.length
        output!.text += `${output!.encoder.encode(rows[row])}\n`
        this.#bufferedCharacters += output!.text.length - before
        if (output!.text.length >= CHUNK_CHARACTERS) this.#flush(output!)
      }
    } catch (thrown) {
      this.#context.recordIndex = row
      throw refused(thrown, batch, row)
    }
    if (this.#bufferedCharacters > BUFFERED_CHARACTERS_MAX) this.#closeOldest()
  }

  ready(): boolean {
    let bytes = 0
    for (const file of this.#files) bytes += file.waitingBytes
    return bytes < WAITING_BYTES_MAX
  }

  prepareCommit(): Promise<readonly StagedFileEffect[]> {
    const closed = this.#closed
    // Names tell the order in which files were published: they are taken at the barrier.
    const outputs = [...this.#outputs.values()].filter(({ text, file }) => text !== '' || file)
    const named = outputs.map((output) => ({
      output,
      name: output.file?.name ?? this.#context.uniqueName(),
    }))
    this.#closed = []
    this.#outputs = new Map()
    this.#open.clear()
    this.#bufferedCharacters = 0
    return this.#durable(closed, named)
  }

  async close(): Promise<void> {
    this.#abandoned = true
    for (const file of this.#files) await file.abandon()
    await Promise.allSettled(this.#closed)
  }

  /** One file after the other, so that few are open, however many folders there are. */
  async #durable(
    closed: readonly Promise<StagedFileEffect>[],
    outputs: readonly { readonly output: Output; readonly name: string }[],
  ): Promise<readonly StagedFileEffect[]> {
    const effects = await Promise.all(closed)
    for (const { output, name } of outputs) {
      if (this.#abandoned) throw new StreamError('CANCELED', 'the file was given up')
      effects.push(await this.#finish(this.#append(output, name), output.folder))
    }
    if (effects.length > 0) await this.#context.doors.files.syncDirectory(this.#staging)
    return effects
  }

  #output(key: string, known: Folder | undefined): Output {
    let output = this.#outputs.get(key)
    if (output === undefined) {
      const folder = known ?? this.#options.partitioning!.folderOf(key)
      output = { folder, encoder: this.#encoderFor(folder), text: '', file: undefined }
    } else if (this.#options.partitioning !== undefined) this.#outputs.delete(key)
    this.#outputs.set(key, output)
    return output
  }

  #encoderFor({ columns }: Folder): Encoder {
    const key = columns.join('\u0000')
    let encoder = this.#encoders.get(key)
    if (encoder === undefined) {
      encoder = this.#options.encoderWithout(columns)
      this.#encoders.set(key, encoder)
    }
    return encoder
  }

  #flush(output: Output): void {
    this.#bufferedCharacters -= output.text.length
    if (output.text === '') return
    const file = this.#append(output, undefined)
    this.#open.add(output)
    if (file.bytes >= FILE_BYTES_MAX) this.#close(output)
    if (this.#open.size > OPEN_FILES_MAX) {
      const [oldest] = this.#open
      this.#close(oldest!)
    }
  }

  /** Hands what was gathered to the folder's file. */
  #append(output: Output, name: string | undefined): StagedFile {
    output.file ??= this.#newFile(name ?? this.#context.uniqueName())
    if (output.text !== '') output.file.append(Buffer.from(output.text))
    output.text = ''
    return output.file
  }

  #close(output: Output): void {
    const { file, folder } = output
    if (file === undefined) return
    output.file = undefined
    this.#open.delete(output)
    const effect = this.#finish(file, folder)
    // Whoever waits for the checkpoint gets the failure.
    effect.catch(() => undefined)
    this.#closed.push(effect)
  }

  #closeOldest(): void {
    for (const [key, output] of this.#outputs) {
      if (this.#bufferedCharacters <= BUFFERED_CHARACTERS_MAX / 2) return
      this.#flush(output)
      this.#close(output)
      this.#outputs.delete(key)
    }
  }

  async #finish(file: StagedFile, { path }: Folder): Promise<StagedFileEffect> {
    const name = `${file.name}${LINES_EXTENSION}`
    const effect = await file.finish(path === '' ? name : `${path}/${name}`)
    this.#files.delete(file)
    return effect
  }

  #newFile(name: string): StagedFile {
    const { doors } = this.#context
    const file = new StagedFile(
      doors.files,
      this.#staging,
      name,
      () => {
        this.#context.kick()
      },
      (error) => {
        this.#context.fail(error)
      },
    )
    this.#files.add(file)
    return file
  }
}

/** A refused record's error, with what the batch knows of its place. */
export function refused(thrown: unknown, batch: RecordBatch, row: number): StreamError {
  const offset = batch.offsets?.[row]
  return asStreamError(thrown, 'VALUE_UNFIT', offset === undefined ? {} : { offset })
}
