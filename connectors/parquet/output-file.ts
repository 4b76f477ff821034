import { StreamError } from '../../engine/index.ts'
import type { Files } from '../../engine/index.ts'
import { StagedFile } from '../files/staged-file.ts'
import type { StagedFileEffect } from '../files/staging.ts'
import type { ParquetEncoder, TablePiece } from './parquet-file.ts'

/** What the files of one writer share. */
export interface OutputHost {
  readonly files: Files
  readonly staging: string
  readonly gate: Gate
  uniqueName(): string
  /** So many bytes more, or less, wait to be encoded or written. */
  waiting(bytes: number): void
  fail(error: unknown): void
}

/** Lets some in at a time, in order. */
export class Gate {
  #free: number
  readonly #waiting: (() => void)[] = []

  constructor(places: number) {
    this.#free = places
  }

  async enter(): Promise<void> {
    if (this.#free > 0) this.#free -= 1
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  leave(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#free += 1
    else next()
  }
}

/**
 * One Parquet file in the making: takes pieces at once, encodes and writes them in the background.
 * It holds a place of the gate from its first byte on until it is durable.
 */
export class OutputFile {
  readonly #host: OutputHost
  readonly #encoder: ParquetEncoder
  readonly #target: string
  readonly #pieces: TablePiece[] = []
  #ended = false
  #abandoned = false
  #wake: (() => void) | undefined
  #staged: StagedFile | undefined
  readonly #written: Promise<StagedFileEffect>

  constructor(host: OutputHost, encoder: ParquetEncoder, folder: string) {
    this.#host = host
    this.#encoder = encoder
    this.#target = folder === '' ? '' : `${folder}/`
    this.#written = this.#run()
    this.#written.catch((error: unknown) => {
      if (!this.#abandoned) host.fail(error)
    })
  }

  /** Bytes of the file so far. */
  get bytes(): number {
    return this.#staged?.bytes ?? 0
  }

  append(piece: TablePiece, bytes: number): void {
    this.#host.waiting(bytes)
    this.#pieces.push({
      rows: piece.rows,
      columns: () => piece.columns(),
      release: () => {
        piece.release()
        this.#host.waiting(-bytes)
      },
    })
    this.#wake?.()
  }

  /** No further piece comes, and there was one. Resolves when the file is durable. */
  finish(): Promise<StagedFileEffect> {
    this.#ended = true
    this.#wake?.()
    return this.#written
  }

  async abandon(): Promise<void> {
    this.#abandoned = true
    this.#ended = true
    this.#pieces.length = 0
    this.#wake?.()
    await this.#written.catch(() => undefined)
  }

  async #run(): Promise<StagedFileEffect> {
    const { files, staging, gate } = this.#host
    await gate.enter()
    try {
      if (this.#abandoned) throw new StreamError('CANCELED', 'the file was given up')
      const name = this.#host.uniqueName()
      const staged = new StagedFile(
        files,
        staging,
        name,
        (bytes) => {
          this.#host.waiting(-bytes)
        },
        (error) => {
          this.#host.fail(error)
        },
      )
      this.#staged = staged
      try {
        await this.#encoder.encode(
          () => this.#next(),
          (bytes) => {
            this.#host.waiting(bytes.length)
            staged.append(bytes)
          },
        )
        return await staged.finish(`${this.#target}${name}.parquet`)
      } catch (error) {
        await staged.abandon()
        throw error
      }
    } finally {
      gate.leave()
    }
  }

  async #next(): Promise<TablePiece | undefined> {
    while (this.#pieces.length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      this.#wake = undefined
    }
    return this.#pieces.shift()
  }
}
