/**
 * What the Parquet sink takes: a row of five columns (int32, int64, float64, timestamp, utf8).
 *
 *     node bench/run.mjs parquet [records in millions] [rows|columns] [compression]
 *
 * One thread, one subtask, a checkpoint every million records, files on the disk at hand. `cpu`
 * counts all threads of the process, so it says more than the clock on a machine with other work.
 * Oracle: DuckDB's count and sums over the published files are those of the records written.
 */
import { DuckDBInstance } from '@duckdb/node-api'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parquetSink } from '../connectors/parquet/parquet-sink.ts'
import type { ParquetSinkOptions } from '../connectors/parquet/parquet-sink.ts'
import { silentLogger } from '../engine/base/logger.ts'
import { systemDoors } from '../engine/base/doors.ts'
import type { Json } from '../engine/base/json.ts'
import { sinkDefinition } from '../engine/operator/sink.ts'
import { declaredColumns } from '../engine/stream/declared-columns.ts'
import { RecordBatch } from '../engine/stream/record-batch.ts'
import { schemaOf } from '../engine/stream/schema.ts'
import type { StructData, StructSchema } from '../engine/stream/schema.ts'

interface Row {
  readonly id: number
  readonly user: number
  readonly amount: number
  readonly at: number
  readonly name: string
}

const schema: StructData = {
  kind: 'struct',
  fields: [
    { name: 'id', schema: { kind: 'int32' } },
    { name: 'user', schema: { kind: 'int64', as: 'number' } },
    { name: 'amount', schema: { kind: 'float64' } },
    { name: 'at', schema: { kind: 'timestamp' } },
    { name: 'name', schema: { kind: 'utf8' } },
  ],
}
const BATCH = 1_024
const CHECKPOINT_RECORDS = 1_000_000

function rowOf(id: number): Row {
  const user = (id * 7_919) % 1_000_003
  return {
    id,
    user,
    amount: (id % 10_000) / 4,
    at: 1.7e12 + id * 13,
    name: `user-${user % 50_000}`,
  }
}

async function run(millions: number, face: string, compression: string): Promise<void> {
  const records = millions * 1_000_000
  const directory = join(mkdtempSync(join(tmpdir(), 'millrace-bench-')), 'table')
  const sink = sinkDefinition(
    parquetSink<Row>({
      directory,
      schema: schemaOf<Row>(schema) as StructSchema<Row>,
      compression: compression as NonNullable<ParquetSinkOptions<Row>['compression']>,
    }),
  )
  const doors = systemDoors(silentLogger)
  let sequence = 0
  let kicked: (() => void) | undefined
  const writer = sink.createWriter({
    uid: 'bench',
    subtask: 0,
    parallelism: 1,
    doors,
    uniqueName: () => `bench-0-1-${sequence++}`,
    kick: () => kicked?.(),
    fail: (error) => {
      throw error
    },
  })
  await writer.open!()
  const committer = sink.createCommitter!({ uid: 'bench', job: 'bench', doors })
  const columns = declaredColumns(schema)
  const began = performance.now()
  const cpuBegan = process.cpuUsage()
  let sum = 0
  let checkpoint = 0
  let rssMax = 0
  const cut = async (): Promise<void> => {
    checkpoint += 1
    const effects = await writer.prepareCommit(checkpoint)
    const committables = effects.map((effect: Json, index) => {
      return { uid: 'bench', bornAt: checkpoint, subtask: 0, sequence: index, effect }
    })
    const marker = { lineage: 'l', instance: 'i', checkpointId: checkpoint }
    await committer.commit(committables, marker)
  }
  for (let at = 0; at < records; at += BATCH) {
    const rows: Row[] = []
    for (let id = at; id < Math.min(records, at + BATCH); id += 1) {
      const row = rowOf(id)
      sum += row.user
      rows.push(row)
    }
    const batch = RecordBatch.ofRows(rows)
    while (!writer.ready()) await new Promise<void>((resolve) => (kicked = resolve))
    writer.write(face === 'columns' ? batch.withColumns(columns(rows, rows.length)) : batch)
    if (at % (64 * BATCH) === 0) {
      await new Promise<void>((resolve) => setImmediate(resolve))
      rssMax = Math.max(rssMax, process.memoryUsage.rss())
    }
    if (Math.floor(at / CHECKPOINT_RECORDS) < Math.floor((at + BATCH) / CHECKPOINT_RECORDS)) {
      await cut()
    }
  }
  await cut()
  await writer.close()
  const seconds = (performance.now() - began) / 1_000
  const { user, system } = process.cpuUsage(cpuBegan)
  const cpuSeconds = (user + system) / 1e6
  const duck = await (await DuckDBInstance.create(':memory:')).connect()
  const reader = await duck.runAndReadAll(
    `SELECT count(*)::BIGINT AS n, count(DISTINCT id)::BIGINT AS d, sum("user")::BIGINT AS s
     FROM read_parquet('${directory}/**/*.parquet')`,
  )
  const [answer] = reader.getRowObjectsJS()
  const correct =
    answer?.['n'] === BigInt(records) &&
    answer['d'] === BigInt(records) &&
    answer['s'] === BigInt(sum)
  duck.closeSync()
  rmSync(join(directory, '..'), { recursive: true })
  const result = {
    bench: 'parquet',
    face,
    compression,
    events: records,
    seconds,
    eventsPerSecond: Math.round(records / seconds),
    cpuSeconds,
    eventsPerCpuSecond: Math.round(records / cpuSeconds),
    maxRssMb: Math.round(rssMax / 1e6),
    correct,
  }
  console.log(JSON.stringify(result))
  if (!correct) process.exitCode = 1
}

const [millions = '3', face = 'rows', compression = 'snappy'] = process.argv.slice(2)
await run(Number(millions), face, compression)
