/** What a shape of job is, and how what it published is judged. */
import type { Files } from '../../engine/base/files.ts'
import { readWholeFile } from '../../engine/base/files.ts'
import { publishedFiles, publishedLines } from '../../connectors/files/published-files.ts'
import { parquetRows } from '../../connectors/parquet/parquet-rows.ts'

/** Records of most shapes: enough for some checkpoints, few enough for thousands of runs. */
export const RECORDS = 200

export interface ChaosShape {
  readonly name: string
  readonly job: unknown
  readonly parameters: Readonly<Record<string, unknown>>
  /** Fills the disk before the first life. */
  prepare?(files: Files): Promise<void>
  /** Every row of each folder of output, as a sink's `published` gives it; counted without us. */
  readonly expected: Readonly<Record<string, readonly string[]>>
  /** Where the job keeps an order: what of a row is ordered, and its place, which only grows. */
  readonly order?: Readonly<Record<string, RowOrder>>
}

export type RowOrder = (row: string) => { readonly key: string; readonly place: number }

/** What does not hold of what a run has published: each row once, each key in its order. */
export async function violations(shape: ChaosShape, files: Files): Promise<readonly string[]> {
  const found: string[] = []
  for (const [folder, expected] of Object.entries(shape.expected)) {
    const rows = await publishedRows(files, folder)
    found.push(...differences(folder, expected, rows))
    const order = shape.order?.[folder]
    if (order !== undefined) found.push(...disorder(folder, rows, order))
  }
  return found
}

/** Rows of a folder, in the order published. */
export async function publishedRows(files: Files, folder: string): Promise<readonly string[]> {
  const rows = [...(await publishedLines(files, `/${folder}`, '.jsonl'))]
  for (const { path } of await publishedFiles(files, `/${folder}`, '.parquet')) {
    rows.push(...(await parquetRows(await readWholeFile(files, path), path)))
  }
  return rows
}

/** Rows that are missing, and those that are too much. */
function differences(
  folder: string,
  expected: readonly string[],
  rows: readonly string[],
): readonly string[] {
  const counts = new Map<string, number>()
  for (const row of expected) counts.set(row, (counts.get(row) ?? 0) + 1)
  const known = new Set(expected)
  const found: string[] = []
  for (const row of rows) {
    const left = counts.get(row) ?? 0
    if (left > 0) counts.set(row, left - 1)
    else found.push(`${folder}: ${known.has(row) ? 'once too often' : 'unexpected'}: ${row}`)
  }
  for (const [row, left] of counts) if (left > 0) found.push(`${folder}: lost: ${row}`)
  return found
}

function disorder(folder: string, rows: readonly string[], order: RowOrder): readonly string[] {
  const last = new Map<string, number>()
  const found: string[] = []
  for (const row of rows) {
    const { key, place } = order(row)
    const before = last.get(key) ?? -Infinity
    if (place <= before) found.push(`${folder}: out of order behind ${before} of "${key}": ${row}`)
    last.set(key, place)
  }
  return found
}
