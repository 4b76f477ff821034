/** What the tests of the Parquet sink share. */
import { DuckDBInstance } from '@duckdb/node-api'
import type { DuckDBConnection } from '@duckdb/node-api'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest'
import { RecordBatch, schemaOf, sinkDefinition } from '../../engine/index.ts'
import type { Committer, Json, SchemaData, SinkWriter, StructSchema } from '../../engine/index.ts'
import { committablesOf, testDoors, writerContext } from '../testing.ts'
import type { TestWriterContext } from '../testing.ts'
import { parquetSink } from './parquet-sink.ts'
import type { ParquetSinkOptions } from './parquet-sink.ts'

export const utf8 = { kind: 'utf8' } as const
export const int32 = { kind: 'int32' } as const
export const nullable = (of: SchemaData): SchemaData => ({ kind: 'nullable', of })

export type Named = Readonly<Record<string, SchemaData>>
export type Options = Partial<Omit<ParquetSinkOptions<Row>, 'schema'>>
export type Row = Readonly<Record<string, unknown>>

export function struct(named: Named): SchemaData {
  return {
    kind: 'struct',
    fields: Object.entries(named).map(([name, schema]) => ({ name, schema })),
  }
}

export function sink(table: string, named: Named, options: Options = {}) {
  const schema = schemaOf<Row>(struct(named)) as StructSchema<Row>
  return sinkDefinition(parquetSink<Row>({ directory: table, schema, ...options }))
}

export async function begin(
  table: string,
  named: Named,
  options: Options = {},
  context = writerContext(),
): Promise<{ writer: SinkWriter; committer: Committer; context: TestWriterContext }> {
  const definition = sink(table, named, options)
  const writer = definition.createWriter(context)
  await writer.open!()
  const committer = definition.createCommitter!({ uid: 'sink', job: 'j', doors: testDoors() })
  return { writer, committer, context }
}

/** Hands over rows in batches, waiting while the writer is full. */
export async function writeRows(
  writer: SinkWriter,
  context: TestWriterContext,
  rows: readonly Row[],
): Promise<void> {
  for (let at = 0; at < rows.length; at += 1_024) {
    while (!writer.ready()) await context.kicked()
    writer.write(RecordBatch.ofRows(rows.slice(at, at + 1_024)))
  }
}

export async function commit(
  committer: Committer,
  effects: readonly Json[],
  id = 1,
): Promise<void> {
  const marker = { lineage: 'l', instance: 'i', checkpointId: id }
  await committer.commit(committablesOf(effects, id), marker)
}

export async function land(
  table: string,
  named: Named,
  rows: readonly Row[],
  options: Options = {},
): Promise<void> {
  const { writer, committer, context } = await begin(table, named, options)
  await writeRows(writer, context, rows)
  await commit(committer, await writer.prepareCommit(1))
  await writer.close()
}

/** `TABLE` stands for all its files. */
export async function query(duck: DuckDBConnection, table: string, sql: string): Promise<Row[]> {
  const reader = await duck.runAndReadAll(
    sql.replaceAll('TABLE', `read_parquet('${table}/**/*.parquet', hive_partitioning = false)`),
  )
  return reader.getRowObjectsJS()
}

/** A table in a folder of its own for each test, and one DuckDB for all tests of the file. */
export function duckTable(): { root: string; table: string; duck: DuckDBConnection } {
  const here = { root: '', table: '', duck: undefined as unknown as DuckDBConnection }
  beforeAll(async () => {
    here.duck = await (await DuckDBInstance.create(':memory:')).connect()
  })
  afterAll(() => {
    here.duck.closeSync()
  })
  beforeEach(async () => {
    here.root = await mkdtemp(join(tmpdir(), 'millrace-table-'))
    here.table = join(here.root, 'table')
  })
  afterEach(() => rm(here.root, { recursive: true }))
  return here
}

export async function parquetFiles(table: string): Promise<string[]> {
  const names = await readdir(table, { recursive: true })
  return names.filter((name) => name.endsWith('.parquet')).sort()
}
