import { join } from 'node:path'
import type { Files } from '../base/files.ts'
import { exists, makeDirectories } from '../base/files.ts'
import type { Cell } from './cell.ts'
import { CELL_BYTES, cellLength } from './cell.ts'
import type { CellRun, MemoryRun } from './cell-run.ts'
import { runOfCells } from './generation-encoder.ts'
import type { StateFileHeader } from './state-file.ts'
import { StateFile, StateFileWriter } from './state-file.ts'

/** Cells kept in memory before they become a scratch file. */
const BUFFER_BYTES = 4 * 1_024 * 1_024

export interface SpillOptions {
  readonly files: Files
  readonly scratch: string
  readonly name: () => string
  readonly header: () => StateFileHeader
  /** A scratch file could not be written: the task fails. */
  readonly onError: (error: unknown) => void
}

/**
 * Changes of entries that left the heap before the barrier that has to hold them: kept as runs,
 * in memory first, then in scratch files, until a snapshot takes them.
 *
 * P1. Cells of a later spill are newer. Within one spill no entry comes twice.
 */
export class Spill {
  readonly #options: SpillOptions
  #buffer: SpillBuffer = new Map()
  #bufferBytes = 0
  /** Runs in order; one still being written is a promise. */
  #runs: Promise<CellRun>[] = []
  #last: Promise<unknown> = Promise.resolve()

  constructor(options: SpillOptions) {
    this.#options = options
  }

  /** One piece for each key group. */
  add(pieces: ReadonlyMap<number, Cell[]>): void {
    for (const [keyGroup, cells] of pieces) {
      if (cells.length === 0) continue
      const there = this.#buffer.get(keyGroup)
      if (there === undefined) this.#buffer.set(keyGroup, [cells])
      else there.push(cells)
      for (const cell of cells) this.#bufferBytes += CELL_BYTES + cellLength(cell)
    }
    if (this.#bufferBytes >= BUFFER_BYTES) this.#writeOut()
  }

  /** What was spilled in the generation that ends now, oldest first. */
  take(): () => Promise<CellRun[]> {
    const runs = this.#runs
    const buffer = this.#takeBuffer()
    this.#runs = []
    return async () => {
      const written = await Promise.all(runs)
      return buffer.size === 0 ? written : [...written, await memoryRun(buffer)]
    }
  }

  /** The runs are in a file of a checkpoint now. */
  async drop(runs: readonly CellRun[]): Promise<void> {
    for (const run of runs) {
      if (!(run instanceof StateFile)) continue
      await run.close()
      await this.#options.files.unlink(run.path)
    }
  }

  async close(): Promise<void> {
    const written = await Promise.allSettled(this.#runs)
    for (const run of written) if (run.status === 'fulfilled') await this.drop([run.value])
  }

  #writeOut(): void {
    const buffer = this.#takeBuffer()
    const writing = this.#last.then(() => this.#writeRun(buffer))
    this.#last = writing.catch(this.#options.onError)
    writing.catch(() => undefined) // Reported above; `take` meets it again.
    this.#runs.push(writing)
  }

  async #writeRun(buffer: SpillBuffer): Promise<CellRun> {
    const { files, scratch, name, header } = this.#options
    if (!(await exists(files, scratch))) await makeDirectories(files, scratch)
    const path = join(scratch, `${name()}.run`)
    const writer = await StateFileWriter.create(files, path, header())
    try {
      await writer.appendRun(await memoryRun(buffer))
      await writer.finish({ durable: false })
    } catch (error) {
      await writer.abandon()
      throw error
    }
    return StateFile.open(files, path)
  }

  #takeBuffer(): SpillBuffer {
    const buffer = this.#buffer
    this.#buffer = new Map()
    this.#bufferBytes = 0
    return buffer
  }
}

type SpillBuffer = Map<number, Cell[][]>

function memoryRun(buffer: SpillBuffer): Promise<MemoryRun> {
  const groups = [...buffer.keys()].sort((left, right) => left - right)
  return runOfCells(groups.map((keyGroup) => ({ keyGroup, pieces: buffer.get(keyGroup)! })))
}
