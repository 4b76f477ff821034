import { join } from 'node:path'
import { StreamError, refusedOr } from '../../engine/index.ts'
import type { FileHandle, Files } from '../../engine/index.ts'
import type { StagedFileEffect } from './staging.ts'

/**
 * A file on its way: written in the background, in order, then made durable.
 *
 * An error is kept and thrown by `finish`; it is also given to `onError` at once. A failed fsync is
 * not tried again: the file is given up.
 */
export class StagedFile {
  readonly name: string
  readonly #path: string
  readonly #files: Files
  readonly #onWritten: (bytes: number) => void
  readonly #onError: (error: unknown) => void
  #handle: FileHandle | undefined
  #tail: Promise<void>
  #failed = false
  /** Bytes written, and bytes that wait to be. */
  bytes = 0
  waitingBytes = 0

  constructor(
    files: Files,
    folder: string,
    name: string,
    onWritten: (bytes: number) => void,
    onError: (error: unknown) => void,
  ) {
    this.name = name
    this.#path = join(folder, name)
    this.#files = files
    this.#onWritten = onWritten
    this.#onError = onError
    this.#tail = this.#guard(async () => {
      this.#handle = await this.#files.open(this.#path, 'create')
    })
  }

  /** Takes `bytes` over: they must not change any more. */
  append(bytes: Uint8Array): void {
    this.waitingBytes += bytes.length
    this.bytes += bytes.length
    const before = this.#tail
    this.#tail = this.#guard(async () => {
      await before
      if (this.#failed) return
      await this.#handle!.write(bytes)
      this.waitingBytes -= bytes.length
      this.#onWritten(bytes.length)
    })
  }

  /** All is written and durable, but for the entry in its folder. */
  async finish(target: string): Promise<StagedFileEffect> {
    await this.#tail
    await this.#guard(async () => {
      if (this.#failed) return
      const handle = this.#handle!
      await handle.sync()
      this.#handle = undefined
      await handle.close()
    })
    if (this.#failed) throw failure(this.#path, this.#error)
    return { staged: this.name, target, bytes: this.bytes }
  }

  /** Gives the file up and leaves what there is to the sweep of the next start. */
  async abandon(): Promise<void> {
    this.#failed = true
    await this.#tail
    const handle = this.#handle
    this.#handle = undefined
    await handle?.close()
  }

  #error: unknown

  async #guard(step: () => Promise<void>): Promise<void> {
    try {
      await step()
    } catch (thrown) {
      if (this.#failed) return
      this.#failed = true
      this.#error = thrown
      this.#onError(failure(this.#path, thrown))
    }
  }
}

function failure(path: string, cause: unknown): StreamError {
  const reason = cause instanceof Error ? cause.message : 'it was given up'
  return new StreamError(
    refusedOr('FILE_IO', cause),
    `the file "${path}" could not be written: ${reason}`,
    { cause },
  )
}
