import type { Doors, Recording, RecordingLimits } from '../../engine/index.ts'
import type { KafkaSettings } from './kafka-options.ts'
import type { RecordedPartition } from './recorded-kafka.ts'
import type { AbortedTransaction } from './requests.ts'
import { silentLogger } from '../../engine/index.ts'
import { KafkaCluster } from './kafka-cluster.ts'
import { KafkaEnumerator, splitStart, type KafkaSplitStart } from './kafka-enumerator.ts'
import { KafkaFetcher } from './kafka-fetcher.ts'
import { RECORDED_BYTES_MAX, RECORDING_UNREACHABLE_AFTER_MS } from './kafka-limits.ts'
import { PartitionQueue, RowCollector, type RowDecoding } from './partition-queue.ts'
import { batchLength, readBatchHeader } from './record-batch-format.ts'
import { RecordedKafka } from './recorded-kafka.ts'
import { LATEST_TIMESTAMP } from './requests.ts'

/**
 * Reads once, through the source's own connection, what a run that began now would read.
 *
 * C1. It begins and ends where the enumerator of the source says; without an end, at what is there
 *     now. It never waits: where a transaction is open, or an end has not come yet, it ends before.
 * C2. A partition gives its first records: its share of `recordsMax`, and of RECORDED_BYTES_MAX.
 * C3. Batches are kept as they came. Only their number is decoded.
 */
export async function recordKafka(
  given: KafkaSettings,
  doors: Doors,
  limits: RecordingLimits,
): Promise<Recording> {
  const settings = {
    ...given,
    to: given.to ?? 'latest',
    // Somebody sits and waits.
    unreachableAfterMs: Math.min(given.unreachableAfterMs, RECORDING_UNREACHABLE_AFTER_MS),
  }
  const quiet = { ...doors, logger: silentLogger }
  const ranges = await rangesOf(settings, quiet)
  const share = {
    records: Math.max(1, Math.floor(limits.recordsMax / ranges.length)),
    bytes: Math.floor(RECORDED_BYTES_MAX / ranges.length),
  }
  const queues = ranges.map((range, index) => new RecordingQueue(range, index, share))
  await fetchAll(queues, settings, quiet)
  return {
    input: new RecordedKafka(queues.map((queue) => queue.recorded())),
    records: queues.reduce((sum, queue) => sum + queue.records, 0),
    told: [toldOf(queues, settings), ...queues.flatMap((queue) => queue.leftOut())],
  }
}

interface Range extends KafkaSplitStart {
  /** Exclusive: where a run would end, and where reading ends (C1). */
  readonly wanted: number
  readonly end: number
}

async function rangesOf(settings: KafkaSettings, doors: Doors): Promise<readonly Range[]> {
  const { clock, random, logger } = doors
  const { brokers, unreachableAfterMs } = settings
  const transport = settings.transport(doors)
  const cluster = new KafkaCluster({
    ...{ brokers, transport, clock, random, logger, unreachableAfterMs },
  })
  const enumerator = new KafkaEnumerator(settings, { uid: '', doors, parallelism: 1 })
  try {
    const { splits } = await enumerator.discover([])
    const starts = splits.map(({ start }) => splitStart(start))
    const ranges: Range[] = []
    for (const name of settings.topics) {
      const mine = starts.filter(({ topic }) => topic === name)
      const topic = await cluster.topic(name)
      const asked = mine.map(({ partition }) => partition)
      const stable = await cluster.offsets(topic, asked, LATEST_TIMESTAMP, true)
      for (const start of mine) {
        const wanted = start.end!
        const readable = Math.min(wanted, stable.get(start.partition)!)
        ranges.push({ ...start, wanted, end: Math.max(readable, start.offset) })
      }
    }
    return ranges
  } finally {
    await enumerator.close()
    cluster.close()
  }
}

/** Awaits: every partition read to its end, or the error that ends it. */
async function fetchAll(
  queues: readonly RecordingQueue[],
  settings: KafkaSettings,
  doors: Doors,
): Promise<void> {
  const { clock, random, logger } = doors
  const { brokers, unreachableAfterMs } = settings
  const shared = {
    brokers,
    unreachableAfterMs,
    clock,
    random,
    transport: settings.transport(doors),
  }
  const isDone = (): boolean => queues.every((queue) => queue.isFetched)
  let fetcher: KafkaFetcher | undefined
  try {
    await new Promise<void>((resolve, reject) => {
      const cluster = new KafkaCluster({ ...shared, logger })
      const onData = (): void => {
        if (isDone()) resolve()
      }
      fetcher = new KafkaFetcher({ ...shared, cluster, onData, onError: reject })
      fetcher.add(queues)
      onData()
    })
  } finally {
    await fetcher?.close()
  }
}

/** Counts what is seen, and decodes nothing. */
const COUNTING: RowDecoding = {
  decoder: { many: false, decode: () => null },
  metadata: false,
  malformed: () => undefined,
}

interface Share {
  readonly records: number
  readonly bytes: number
}

/** Keeps what is fetched, up to its share. */
class RecordingQueue extends PartitionQueue {
  records = 0
  readonly #range: Range
  readonly #share: Share
  readonly #kept: Buffer[] = []
  readonly #aborted = new Map<string, AbortedTransaction>()
  #bytes = 0
  #fullAt: number | undefined

  constructor(range: Range, index: number, share: Share) {
    const { topic, topicId, partition, offset: position, end } = range
    super({ id: `${topic}-${partition}`, topic, topicId, partition, index, position, end })
    this.#range = range
    this.#share = share
  }

  override get isFetched(): boolean {
    return this.#fullAt !== undefined || super.isFetched
  }

  override append(records: Buffer, aborted: readonly AbortedTransaction[]): void {
    if (this.isFetched) return
    const before = this.fetchAt
    super.append(records, aborted)
    for (const each of aborted) this.#aborted.set(`${each.producerId} ${each.firstOffset}`, each)
    for (let at = 0; this.#fullAt === undefined;) {
      const length = batchLength(records, at)
      if (length === undefined) break
      const { nextOffset } = readBatchHeader(records, at)
      if (nextOffset > before)
        this.#keep(Buffer.from(records.subarray(at, at + length)), nextOffset)
      at += length
    }
    this.#count()
  }

  recorded(): RecordedPartition {
    const { topic, topicId, partition, offset: start } = this.#range
    const end = this.#end()
    const batches = this.#kept.filter((bytes) => readBatchHeader(bytes, 0).baseOffset < end)
    const aborted = [...this.#aborted.values()].filter(({ firstOffset }) => firstOffset < end)
    return { topic, topicId, partition, start, end, aborted, batches }
  }

  leftOut(): readonly string[] {
    const { wanted, end } = this.#range
    const told: string[] = []
    if (this.#end() < end) {
      told.push(`${this.id}: left out are offsets ${this.#end()} to ${end - 1}, it is full`)
    }
    if (end < wanted) {
      told.push(`${this.id}: left out are offsets ${end} to ${wanted - 1}, not committed by now`)
    }
    return told
  }

  #end(): number {
    return this.#fullAt ?? this.#range.end
  }

  #keep(bytes: Buffer, nextOffset: number): void {
    this.#kept.push(bytes)
    this.#bytes += bytes.length
    if (this.#bytes >= this.#share.bytes) this.#fullAt = Math.min(nextOffset, this.#range.end)
  }

  /** Of what was fetched last: the records that are seen and kept. */
  #count(): void {
    for (;;) {
      const { rows, offsets } = this.#readNext()
      const kept = offsets.subarray(0, rows.length).filter((offset) => offset < this.#end())
      if (kept.length === 0) return
      const room = this.#share.records - this.records
      this.records += Math.min(kept.length, room)
      if (kept.length < room) continue
      this.#fullAt = kept[room - 1]! + 1
      return
    }
  }

  #readNext(): RowCollector {
    const collector = new RowCollector()
    this.read(collector, COUNTING)
    return collector
  }
}

function toldOf(queues: readonly RecordingQueue[], { brokers, topics }: KafkaSettings): string {
  const records = queues.reduce((sum, queue) => sum + queue.records, 0)
  const from = `${queues.length} partitions of ${topics.map((topic) => `"${topic}"`).join(', ')}`
  return `${records} records of ${from}, recorded from ${brokers.join(', ')}`
}
