import type { Json, RecordedInput } from '../../engine/index.ts'
import type { KafkaSettings } from './kafka-options.ts'
import type { AbortedTransaction } from './requests.ts'
import { seededRandom, StreamError, systemClock } from '../../engine/index.ts'
import { splitId } from './kafka-enumerator.ts'
import { readBatchHeader, scanBatches } from './record-batch-format.ts'
import { SimulatedKafka } from './simulated-kafka.ts'
import { SimulatedLog } from './simulated-log.ts'

/** What was read of a partition, byte for byte as the brokers gave it. */
export interface RecordedPartition {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  /** Offsets from `start` to `end`, exclusive, are read. */
  readonly start: number
  readonly end: number
  readonly aborted: readonly AbortedTransaction[]
  /** Whole record batches in their order; the first and last may reach beyond `start` and `end`. */
  readonly batches: readonly Buffer[]
}

/** Simulated brokers: with two of them leaders differ. */
const NODES = 2
const FORMAT = 1

/**
 * The log that a Kafka source has read, in memory behind the connection door: gaps, transactions
 * and what ended them, times, headers, compression and records without a value are as they were.
 */
export class RecordedKafka implements RecordedInput {
  readonly #partitions: readonly RecordedPartition[]
  readonly #cluster: SimulatedKafka

  constructor(partitions: readonly RecordedPartition[]) {
    this.#partitions = partitions
    // Each life reads with a clock and chance of its own; these two are never asked.
    this.#cluster = new SimulatedKafka(NODES, systemClock, seededRandom(1))
    for (const topic of new Set(partitions.map((each) => each.topic))) {
      const mine = partitions.filter((each) => each.topic === topic)
      const logs = mine
        .toSorted((left, right) => left.partition - right.partition)
        .map((each) => logOf(each))
      this.#cluster.addTopic(topic, mine[0]!.topicId, logs)
    }
  }

  /** The settings of the source, to read from here what was recorded for it. */
  settings(settings: KafkaSettings): KafkaSettings {
    const missing = settings.topics.find(
      (topic) => !this.#partitions.some((each) => each.topic === topic),
    )
    if (missing !== undefined) {
      throw new StreamError('CHAOS_UNFIT', `nothing was recorded of topic "${missing}"`, {
        hint: 'The job has changed since: search again with "chaos run".',
      })
    }
    const offsets = (of: (partition: RecordedPartition) => number) => ({
      offsets: Object.fromEntries(
        this.#partitions.map((each) => [splitId(each.topic, each.partition), of(each)]),
      ),
    })
    return {
      ...settings,
      brokers: this.#cluster.addresses,
      from: offsets(({ start }) => start),
      to: offsets(({ end }) => end),
      transport: (doors) => this.#cluster.over(doors),
    }
  }

  toData(): Json {
    return {
      format: FORMAT,
      partitions: this.#partitions.map(({ aborted, batches, ...rest }) => ({
        ...rest,
        aborted: aborted.map(({ producerId, firstOffset }) => ({ producerId, firstOffset })),
        batches: batches.map((bytes) => bytes.toString('base64')),
      })),
    }
  }

  /** Throws CHAOS_UNFIT when it is not what `toData` gave. */
  static parse(data: Json): RecordedKafka {
    const { format, partitions } = fieldsOf(data)
    if (format !== FORMAT || !Array.isArray(partitions)) throw noRecording()
    return new RecordedKafka((partitions as readonly Json[]).map((each) => partitionOf(each)))
  }
}

function fieldsOf(data: Json): Readonly<Record<string, Json | undefined>> {
  if (typeof data === 'object' && data !== null && !Array.isArray(data)) {
    return data as Readonly<Record<string, Json>>
  }
  throw noRecording()
}

function partitionOf(data: Json): RecordedPartition {
  const { topic, topicId, partition, start, end, aborted, batches } = fieldsOf(data)
  const isWhole =
    typeof topic === 'string' &&
    typeof topicId === 'string' &&
    typeof partition === 'number' &&
    typeof start === 'number' &&
    typeof end === 'number' &&
    Array.isArray(aborted) &&
    Array.isArray(batches) &&
    (batches as readonly Json[]).every((text) => typeof text === 'string')
  if (!isWhole) throw noRecording()
  const read = (batches as readonly string[]).map((text) => Buffer.from(text, 'base64'))
  if (read.some((bytes) => scanBatches(bytes)?.end !== bytes.length)) throw noRecording()
  const transactions = aborted as unknown as readonly AbortedTransaction[]
  return { topic, topicId, partition, start, end, aborted: transactions, batches: read }
}

function noRecording(): StreamError {
  return new StreamError('CHAOS_UNFIT', 'what is given as recorded input is none of Kafka', {
    hint: 'Take the input.json of a bundle as it was written.',
  })
}

function logOf({ partition, start, end, aborted, batches }: RecordedPartition): SimulatedLog {
  const log = new SimulatedLog(partition % NODES, start)
  for (const bytes of batches) log.store(bytes)
  for (const { producerId, firstOffset } of aborted) {
    log.aborted.push({
      producerId,
      firstOffset,
      endOffset: endOf(batches, producerId, firstOffset),
    })
  }
  log.reach(end)
  return log
}

/** Behind the marker that ends the transaction; where none was recorded it goes on. */
function endOf(batches: readonly Buffer[], producerId: number, firstOffset: number): number {
  for (const bytes of batches) {
    const header = readBatchHeader(bytes, 0)
    if (!header.isControl || header.producerId !== producerId) continue
    if (header.baseOffset > firstOffset) return header.nextOffset
  }
  return Infinity
}
