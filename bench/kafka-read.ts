/**
 * How fast a Kafka source reads: `node bench/run.mjs kafka-read --records 2000000 --json`.
 *
 * Writes records to a real broker (one is started, or MILLRACE_TEST_KAFKA names it), then drains
 * one reader alone: fetch, decompression, decoding to rows, batches; no engine behind it.
 * Oracle: each record comes once, in order within its partition; the ids add up.
 */
import { compressFrameSync } from 'lz4-napi'
import { parseArgs } from 'node:util'
import { gzipSync } from 'node:zlib'
import type { SourceReader } from '../engine/operator/source.ts'
import { json } from '../connectors/formats/json-format.ts'
import { text } from '../connectors/formats/text-format.ts'
import { kafkaSource } from '../connectors/kafka/kafka-source.ts'
import { encodeBatch } from '../connectors/kafka/record-batch-encoder.ts'
import { systemDoors } from '../engine/base/doors.ts'
import { silentLogger } from '../engine/base/logger.ts'
import { sourceDefinition } from '../engine/operator/source.ts'
import { schemaOf } from '../engine/stream/schema.ts'
import { startKafka } from '../tests/kafka/test-kafka.ts'

const PARTITIONS = 4
const BATCH_RECORDS = 1_000
const CODECS = {
  none: undefined,
  gzip: { codec: 1, compress: (bytes: Buffer) => gzipSync(bytes) },
  lz4: { codec: 3, compress: (bytes: Buffer) => compressFrameSync(bytes) },
}

const { values: options } = parseArgs({
  options: {
    records: { type: 'string', default: '2000000' },
    format: { type: 'string', default: 'json' },
    codec: { type: 'string', default: 'none' },
    json: { type: 'boolean', default: false },
  },
})
const recordCount = Number(options.records)
const compression = CODECS[options.codec as keyof typeof CODECS]

const Order = schemaOf<{ readonly id: number }>({
  kind: 'struct',
  fields: [
    { name: 'id', schema: { kind: 'int32' } },
    { name: 'user', schema: { kind: 'utf8' } },
    { name: 'cents', schema: { kind: 'int32' } },
    { name: 'at', schema: { kind: 'float64' } },
  ],
})

const kafka = await startKafka({ tier: 4 })
try {
  const topic = await kafka.createTopic({ partitions: PARTITIONS })
  const value = (id: number): string =>
    `{"id":${id},"user":"user-${id % 9_973}","cents":${(id * 7) % 10_000},"at":${1.7e12 + id}}`
  for (let from = 0; from < recordCount; from += BATCH_RECORDS) {
    const count = Math.min(BATCH_RECORDS, recordCount - from)
    const records = Array.from({ length: count }, (_, index) => ({ value: value(from + index) }))
    const batch = encodeBatch(records, compression === undefined ? {} : { compression })
    await kafka.produceBatches(topic, (from / BATCH_RECORDS) % PARTITIONS, batch)
  }
  const common = { brokers: kafka.brokers, topic, to: 'latest' } as const
  const source =
    options.format === 'text'
      ? kafkaSource({ ...common, value: text() })
      : kafkaSource({ ...common, value: json(Order) })
  const definition = sourceDefinition(source)
  const context = { uid: 'read', doors: systemDoors(silentLogger), parallelism: 1 }
  const enumerator = definition.createEnumerator(context)
  const { splits } = await enumerator.discover([])
  await enumerator.close()

  let wake: () => void = () => undefined
  const reader = definition.createReader({
    ...context,
    subtask: 0,
    kick: () => {
      wake()
    },
    fail: (error) => {
      throw error
    },
  })
  const cpu = process.cpuUsage()
  const startMs = performance.now()
  reader.addSplits(splits.map((split, index) => ({ ...split, index, position: undefined })))
  reader.noMoreSplits()
  const found = await drain(reader, (resolve) => {
    wake = resolve
  })
  const seconds = (performance.now() - startMs) / 1_000
  const { user, system } = process.cpuUsage(cpu)
  await reader.close()

  const expectedSum = options.format === 'text' ? 0 : (recordCount * (recordCount - 1)) / 2
  const result = {
    bench: `kafka-read ${options.format} ${options.codec}`,
    events: found.records,
    seconds: Number(seconds.toFixed(3)),
    eventsPerSecond: Math.round(found.records / seconds),
    cpuSeconds: Number(((user + system) / 1e6).toFixed(3)),
    maxRssMb: Math.round(process.resourceUsage().maxRSS / 1_024),
    answer: found.sum,
    correct: found.records === recordCount && found.inOrder && found.sum === expectedSum,
  }
  console.log(options.json ? JSON.stringify(result) : result)
  if (!result.correct) process.exitCode = 1
} finally {
  await kafka.stop()
}

async function drain(
  reader: SourceReader,
  onKick: (resolve: () => void) => void,
): Promise<{ readonly records: number; readonly sum: number; readonly inOrder: boolean }> {
  let records = 0
  let sum = 0
  let inOrder = true
  const next = new Array<number>(PARTITIONS).fill(0)
  let slice = 0
  for (;;) {
    const state = reader.poll({
      emit(batch) {
        const split = batch.splits as number
        records += batch.count
        for (let index = 0; index < batch.count; index += 1) {
          const offset = batch.offsets![index]!
          if (offset !== next[split]) inOrder = false
          next[split] = offset + 1
          const row = batch.rows[index] as { readonly id: number } | string
          if (typeof row !== 'string') sum += row.id
        }
      },
      malformed: () => undefined,
      finishSplit: () => undefined,
    })
    if (state === 'finished') return { records, sum, inOrder }
    if (state === 'waiting') await new Promise<void>(onKick)
    // Like a task: yields now and then, so that fetches go on.
    else if ((slice += 1) % 8 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
}
