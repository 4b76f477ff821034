import { join } from 'node:path'
import { assert } from '../base/assert.ts'
import type { Files } from '../base/files.ts'
import type { FileReference } from '../checkpoint/snapshot.ts'
import type { KeyGroupRange } from '../stream/keys.ts'
import type { CellCursor, Pace } from './cell-merge.ts'
import { RunCursor, cursorsOf, mergeCells } from './cell-merge.ts'
import type { CellRun } from './cell-run.ts'
import { MemoryRun, findGroup } from './cell-run.ts'
import type { StateChange } from './state-changes.ts'
import type { StateFileHeader } from './state-file.ts'
import { StateFile, StateFileWriter } from './state-file.ts'
import type { Transcoding } from './transcoding.ts'
import { NO_TRANSCODING, TranscodingCursor } from './transcoding.ts'

/** Deltas of a chain before they are merged among themselves: bounds open files and restore. */
const CHAIN_DELTAS_MAX = 16

/** What a write does, by what there is. Pure. */
export type WritePlan = 'nothing' | 'base' | 'delta' | 'merge-deltas' | 'merge-all'

export interface ChainFacts {
  readonly baseBytes: number | undefined
  readonly deltaBytes: number
  readonly deltas: number
  /** The chain is not of this subtask alone: restored at another parallelism or from elsewhere. */
  readonly isForeign: boolean
  readonly hasNews: boolean
}

export function planWrite(facts: ChainFacts): WritePlan {
  if (facts.isForeign) return 'merge-all'
  if (facts.baseBytes === undefined) return 'base'
  if (!facts.hasNews) return 'nothing'
  if (facts.deltaBytes * 2 > facts.baseBytes) return 'merge-all'
  return facts.deltas >= CHAIN_DELTAS_MAX ? 'merge-deltas' : 'delta'
}

export interface ChainOptions {
  readonly files: Files
  readonly workDir: string
  /** A new file's name, never given before. */
  readonly name: () => string
  readonly range: KeyGroupRange
  readonly header: () => StateFileHeader
  readonly transcoding: (header: StateFileHeader) => Transcoding
}

/**
 * The files that together are the subtask's state: a base and its deltas, oldest first.
 *
 * F1. A file that was written durably is never changed; what is merged goes to a new one.
 * F2. `references` changes only when a write has succeeded in whole.
 */
export class SnapshotChain {
  readonly #options: ChainOptions
  #references: readonly FileReference[] = []
  /** Chains of old subtasks that hold our groups; the first write merges them. */
  #foreign: readonly FileReference[] = []
  #foreignDirectory = ''
  #foreignChanges: readonly StateChange[] = []

  constructor(options: ChainOptions) {
    this.#options = options
  }

  get references(): readonly FileReference[] {
    return this.#references
  }

  /** The restored chain is ours and goes on. */
  adopt(references: readonly FileReference[]): void {
    this.#references = references
  }

  /**
   * The restored chains, one behind the other; paths are relative to `directory`. The first write
   * merges them, as `changes` make them: later files know nothing of a rename or a drop.
   */
  adoptForeign(
    references: readonly FileReference[],
    directory: string,
    changes: readonly StateChange[],
  ): void {
    this.#foreign = references
    this.#foreignDirectory = directory
    this.#foreignChanges = changes
  }

  /** Writes `news`, oldest first, and returns how many bytes. On an error nothing has changed. */
  async write(news: readonly CellRun[], pace: Pace): Promise<number> {
    const [base, ...deltas] = this.#references
    const plan = planWrite({
      baseBytes: base?.bytes,
      deltaBytes: deltas.reduce((sum, delta) => sum + delta.bytes, 0),
      deltas: deltas.length,
      isForeign: this.#foreign.length > 0,
      hasNews: news.some((run) => run.groups.length > 0),
    })
    switch (plan) {
      case 'nothing':
        return 0
      case 'base':
      case 'delta': {
        const written = await this.#writeFile(news, plan === 'base', pace)
        this.#references = [...this.#references, written]
        return written.bytes
      }
      case 'merge-deltas': {
        const written = await this.#merge(deltas, this.#options.workDir, news, false, pace)
        this.#references = [base!, written]
        return written.bytes
      }
      case 'merge-all': {
        const isForeign = this.#foreign.length > 0
        const old = isForeign ? this.#foreign : this.#references
        const directory = isForeign ? this.#foreignDirectory : this.#options.workDir
        const written = await this.#merge(old, directory, news, true, pace)
        this.#references = [written]
        this.#foreign = []
        this.#foreignChanges = []
        return written.bytes
      }
      default:
        return plan satisfies never
    }
  }

  async #merge(
    references: readonly FileReference[],
    directory: string,
    news: readonly CellRun[],
    isBase: boolean,
    pace: Pace,
  ): Promise<FileReference> {
    const files: StateFile[] = []
    try {
      for (const reference of references) {
        const path = join(directory, reference.path)
        const changes = this.#foreignChanges
        files.push(await StateFile.open(this.#options.files, path, reference, changes))
      }
      return await this.#writeFile([...files, ...news], isBase, pace)
    } finally {
      for (const file of files) await file.close()
    }
  }

  async #writeFile(runs: readonly CellRun[], isBase: boolean, pace: Pace): Promise<FileReference> {
    const { files, workDir, name, header } = this.#options
    const path = `state/${name()}`
    const writer = await StateFileWriter.create(files, join(workDir, path), header())
    try {
      const [only] = runs
      const isOne = runs.length === 1 && only instanceof MemoryRun
      if (isOne && (!isBase || only.hasOnlyValues)) await writer.appendRun(only)
      else await this.#mergeInto(writer, runs, isBase, pace)
      const { bytes, sha256 } = await writer.finish({ durable: true })
      return { path, bytes, sha256 }
    } catch (error) {
      await writer.abandon()
      throw error
    }
  }

  async #mergeInto(
    writer: StateFileWriter,
    runs: readonly CellRun[],
    isBase: boolean,
    pace: Pace,
  ): Promise<void> {
    const { first, last } = this.#options.range
    for (let group = first; group <= last; group += 1) {
      const cursors = this.#cursors(runs, group)
      if (cursors.length === 0) continue
      writer.builder.startGroup(group)
      await mergeCells(
        cursors,
        (cell) => {
          writer.builder.add(cell)
          return writer.drain()
        },
        { isBase, pace },
      )
    }
  }

  #cursors(runs: readonly CellRun[], keyGroup: number): CellCursor[] {
    return stateCursors(runs, keyGroup, this.#options.transcoding)
  }
}

/** Cursors whose values are all of the present schemas. */
export function stateCursors(
  runs: readonly CellRun[],
  keyGroup: number,
  transcodingOf: (header: StateFileHeader) => Transcoding,
): CellCursor[] {
  const cursors: CellCursor[] = []
  for (const run of runs) {
    const transcoding = run instanceof StateFile ? transcodingOf(run.header) : NO_TRANSCODING
    if (transcoding.size === 0) {
      cursors.push(...cursorsOf([run], keyGroup))
      continue
    }
    const group = findGroup(run.groups, keyGroup)
    if (group !== undefined) {
      cursors.push(new TranscodingCursor(new RunCursor(run, group), transcoding))
    }
  }
  assert(cursors.length <= runs.length, 'a run gives one cursor')
  return cursors
}
