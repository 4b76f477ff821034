import { DuckDBInstance } from '@duckdb/node-api'
import { readdir } from 'node:fs/promises'
import { rowOf, type Row } from './oracle.ts'

/** Rows of a query over Parquet files, read by an engine that is not ours. */
export async function query(sql: string): Promise<readonly (readonly unknown[])[]> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' })
  const connection = await instance.connect()
  try {
    const reader = await connection.runAndReadAll(sql)
    return reader.getRows()
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

/** The table of totals under `directory`, sorted. */
export async function readTotals(directory: string): Promise<readonly Row[]> {
  const rows = await query(
    `SELECT user, epoch_ms("start"), epoch_ms("end"), events, amount FROM read_parquet('${directory}/**/*.parquet')`,
  )
  return rows
    .map(([user, start, end, events, amount]) =>
      rowOf(String(user), Number(start), Number(end), Number(events), Number(amount)),
    )
    .sort()
}

/** How many records were landed, and how many different ones. */
export async function countIds(directory: string): Promise<{ rows: number; distinct: number }> {
  const [row] = await query(
    `SELECT count(*), count(DISTINCT id) FROM read_parquet('${directory}/**/*.parquet')`,
  )
  return { rows: Number(row![0]), distinct: Number(row![1]) }
}

/** Files that still lie in the staging folder beside a table. */
export async function staged(directory: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(`${directory}.staging`, { recursive: true, withFileTypes: true })
    return entries.filter((entry) => entry.isFile()).map((entry) => entry.name)
  } catch {
    return []
  }
}
