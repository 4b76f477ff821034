import type { Json } from '../engine/base/json.ts'
import type {
  Committable,
  Committer,
  Sink,
  SinkWriter,
  TargetMarker,
} from '../engine/operator/sink.ts'
import type { RecordBatch } from '../engine/stream/record-batch.ts'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { isValid } from '../engine/stream/columns.ts'
import { sinkOf } from '../engine/operator/sink.ts'

/** What a tally amounts to: how many rows came, and the sum of a field over them, modulo 2^48. */
export interface Tally {
  readonly rows: number
  readonly sum: number
}

const MODULUS = 2 ** 48

/**
 * Counts rows and adds up a numeric field, so that no work can be optimised away and every answer
 * can be checked. Commits in two phases like any sink; the total is in the file at `path`.
 */
export function tallySink(path: string, field: string): Sink<unknown> {
  return sinkOf<unknown>({
    kind: 'tally',
    parameters: { path, field },
    createWriter: () => new TallyWriter(field),
    createCommitter: () => new TallyCommitter(path),
  })
}

class TallyWriter implements SinkWriter {
  readonly #field: string
  #rows = 0
  #sum = 0

  constructor(field: string) {
    this.#field = field
  }

  write(batch: RecordBatch): void {
    const { count } = batch
    this.#rows += count
    const column = batch.hasRows ? undefined : batch.columns?.column(this.#field)
    let sum = 0
    if (column !== undefined && 'values' in column && column.kind !== 'int64') {
      const { values, validity } = column
      if (validity === undefined) {
        for (let row = 0; row < count; row += 1) sum += values[row]!
      } else {
        for (let row = 0; row < count; row += 1) if (isValid(validity, row)) sum += values[row]!
      }
    } else {
      const rows = batch.rows as readonly Readonly<Record<string, number>>[]
      for (let row = 0; row < count; row += 1) sum += rows[row]![this.#field]!
    }
    this.#sum = (this.#sum + sum) % MODULUS
  }

  ready(): boolean {
    return true
  }

  prepareCommit(): Promise<readonly Json[]> {
    const effect = { rows: this.#rows, sum: this.#sum }
    this.#rows = 0
    this.#sum = 0
    return Promise.resolve([effect])
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

interface TallyFile extends Tally {
  readonly marker: TargetMarker
}

class TallyCommitter implements Committer {
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  readMarker(): Promise<TargetMarker | undefined> {
    return Promise.resolve(this.#read()?.marker)
  }

  commit(committables: readonly Committable[], marker: TargetMarker): Promise<void> {
    const before = this.#read()
    let rows = before?.rows ?? 0
    let sum = before?.sum ?? 0
    for (const { effect } of committables) {
      const tally = effect as unknown as Tally
      rows += tally.rows
      sum = (sum + tally.sum) % MODULUS
    }
    mkdirSync(dirname(this.#path), { recursive: true })
    writeFileSync(this.#path, JSON.stringify({ rows, sum, marker } satisfies TallyFile))
    return Promise.resolve()
  }

  sweep(): Promise<void> {
    return Promise.resolve()
  }

  stagedFiles(): readonly string[] {
    return []
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  #read(): TallyFile | undefined {
    return readTally(this.#path)
  }
}

export function readTally(path: string): TallyFile | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as TallyFile
  } catch {
    return undefined
  }
}
