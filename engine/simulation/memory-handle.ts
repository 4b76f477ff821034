import type { FileHandle } from '../base/files.ts'
import type { DiskOperation } from './disk-operation.ts'
import { fileError, type MemoryFile } from './memory-inodes.ts'

/** Runs one operation of a process on the disk. */
export type Run = <T>(kind: DiskOperation['kind'], path: string, effect: () => T) => Promise<T>

interface Space {
  freeBytes(): number
}

/** An open file of a simulated disk. */
export class MemoryHandle implements FileHandle {
  readonly #file: MemoryFile
  readonly #path: string
  readonly #run: Run
  readonly #disk: Space
  readonly #onClose: () => void
  #position = 0
  #isOpen = true

  constructor(file: MemoryFile, path: string, run: Run, disk: Space, onClose: () => void) {
    this.#file = file
    this.#path = path
    this.#run = run
    this.#disk = disk
    this.#onClose = onClose
  }

  write(bytes: Uint8Array, position?: number): Promise<void> {
    return this.#call('write', () => {
      const at = position ?? this.#position
      const fits = this.#disk.freeBytes() + Math.max(0, this.#file.size - at)
      const written = bytes.subarray(0, Math.min(bytes.length, fits))
      this.#file.write(at, written)
      if (position === undefined) this.#position += written.length
      if (written.length < bytes.length) throw fileError('ENOSPC', 'write', this.#path)
    })
  }

  read(position: number, length: number): Promise<Uint8Array> {
    return this.#call('read', () => this.#file.read(position, length))
  }

  sync(): Promise<void> {
    return this.#call('sync', () => {
      this.#file.sync()
    }).catch((error: unknown) => {
      this.syncFailed()
      throw error
    })
  }

  /** As a sync that fails: what it was to make durable is lost (D3 of the disk). */
  syncFailed(): void {
    this.#file.syncFailed()
  }

  size(): Promise<number> {
    return this.#call('size', () => this.#file.size)
  }

  close(): Promise<void> {
    return this.#call('close', () => {
      this.#isOpen = false
      this.#onClose()
    })
  }

  #call<T>(kind: DiskOperation['kind'], effect: () => T): Promise<T> {
    return this.#run(kind, this.#path, () => {
      if (!this.#isOpen) throw fileError('EBADF', kind, this.#path)
      return effect()
    })
  }
}
