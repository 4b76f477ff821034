import type { EnumeratorContext, Json, SourceSplit, SplitEnumerator } from '../../engine/index.ts'
import type { KafkaSettings, StartPosition, StopPosition } from './kafka-options.ts'
import type { TopicMetadata } from './requests.ts'
import { StreamError } from '../../engine/index.ts'
import { KafkaCluster, topicRecreated } from './kafka-cluster.ts'
import { outOfRange } from './kafka-fetcher.ts'
import { EARLIEST_TIMESTAMP, LATEST_TIMESTAMP, watchOf } from './requests.ts'

/** Where a partition is read from and to, fixed when it is found and kept in every checkpoint. */
export interface KafkaSplitStart {
  readonly topic: string
  readonly partition: number
  readonly topicId: string
  /** First offset to read. */
  readonly offset: number
  /** Offset to stop before; null: none. */
  readonly end: number | null
}

export function splitStart(start: Json): KafkaSplitStart {
  const { topic, partition, topicId, offset, end } = start as Partial<KafkaSplitStart>
  const isWhole =
    typeof topic === 'string' &&
    typeof partition === 'number' &&
    typeof topicId === 'string' &&
    typeof offset === 'number' &&
    (end === null || typeof end === 'number')
  if (!isWhole) {
    throw new StreamError(
      'CHECKPOINT_DAMAGED',
      'the checkpoint has a split that is none of Kafka',
      {
        hint: 'Did another source have this uid? Give this one a uid of its own.',
      },
    )
  }
  return { topic, partition, topicId, offset, end }
}

/**
 * Finds partitions; each is a split named `topic-partition`.
 *
 * E1. A start or end given as a time, `latest` or `earliest` is turned into an offset once, when
 *     the partition is found, so that a restart reads the same range.
 * E2. A partition found later than its topic's first ones begins at its first record: whatever it
 *     holds was written after the start.
 * E3. A topic whose id changed, or that lost partitions, is refused.
 */
export class KafkaEnumerator implements SplitEnumerator {
  readonly discoveryIntervalMs: number
  readonly #settings: KafkaSettings
  readonly #cluster: KafkaCluster

  constructor(settings: KafkaSettings, context: EnumeratorContext) {
    this.#settings = settings
    this.discoveryIntervalMs = settings.discoveryIntervalMs
    this.#cluster = new KafkaCluster({
      brokers: settings.brokers,
      transport: settings.transport(context.doors),
      clock: context.doors.clock,
      random: context.doors.random,
      logger: context.doors.logger,
      unreachableAfterMs: settings.unreachableAfterMs,
      ...watchOf(context.doors, { uid: context.uid }),
    })
  }

  async discover(known: readonly SourceSplit[]): Promise<{
    readonly splits: readonly SourceSplit[]
    readonly complete: boolean
  }> {
    const splits = [...known]
    const knownTopics = new Set(known.map((split) => splitStart(split.start).topic))
    const { topics } = this.#settings
    for (const name of new Set([...topics, ...knownTopics])) {
      if (!topics.includes(name)) throw topicDropped(name)
      const topic = await this.#cluster.topic(name)
      const found = known.filter((split) => splitStart(split.start).topic === name)
      checkKnown(topic, found)
      splits.push(...(await this.#findNew(topic, found)))
    }
    return { splits, complete: this.#settings.to !== undefined }
  }

  async close(): Promise<void> {
    this.#cluster.close()
  }

  async #findNew(
    topic: TopicMetadata,
    known: readonly SourceSplit[],
  ): Promise<readonly SourceSplit[]> {
    const ids = new Set(known.map((split) => split.id))
    const partitions = topic.partitions
      .map(({ partition }) => partition)
      .filter((partition) => !ids.has(splitId(topic.name, partition)))
      .sort((left, right) => left - right)
    if (partitions.length === 0) return []
    const isFirst = known.length === 0
    // A bounded job keeps to the partitions it began with.
    if (!isFirst && this.#settings.to !== undefined) return []
    const from = isFirst ? this.#settings.from : 'earliest' // E2.
    const ends = await this.#ends(topic, partitions)
    const starts = await this.#starts(topic, partitions, from)
    return partitions.map((partition) => {
      const id = splitId(topic.name, partition)
      const start: KafkaSplitStart = {
        topic: topic.name,
        partition,
        topicId: topic.id,
        offset: starts.get(partition)!,
        end: ends?.get(partition) ?? null,
      }
      return { id, start: { ...start } }
    })
  }

  async #starts(
    topic: TopicMetadata,
    partitions: readonly number[],
    from: StartPosition,
  ): Promise<ReadonlyMap<number, number>> {
    if (from === 'earliest') return this.#offsets(topic, partitions, EARLIEST_TIMESTAMP, false)
    // The last stable offset: a transaction that is open now is still read when it commits.
    if (from === 'latest') return this.#offsets(topic, partitions, LATEST_TIMESTAMP, true)
    if ('timestampMs' in from) return this.#offsetsAt(topic, partitions, from.timestampMs)
    return this.#givenStarts(topic, partitions, from.offsets)
  }

  async #givenStarts(
    topic: TopicMetadata,
    partitions: readonly number[],
    offsets: Readonly<Record<string, number>>,
  ): Promise<ReadonlyMap<number, number>> {
    const first = await this.#offsets(topic, partitions, EARLIEST_TIMESTAMP, false)
    const end = await this.#offsets(topic, partitions, LATEST_TIMESTAMP, false)
    const starts = new Map(first)
    for (const partition of partitions) {
      const offset = this.#given(topic.name, partition, offsets)
      if (offset === undefined) continue
      const low = first.get(partition)!
      const high = end.get(partition)!
      if (offset < low || offset > high) {
        throw outOfRange(splitId(topic.name, partition), offset, low, high)
      }
      starts.set(partition, offset)
    }
    return starts
  }

  async #ends(
    topic: TopicMetadata,
    partitions: readonly number[],
  ): Promise<ReadonlyMap<number, number> | undefined> {
    const to: StopPosition | undefined = this.#settings.to
    if (to === undefined) return undefined
    // The high watermark: what a transaction has written by now counts once it commits.
    if (to === 'latest') return this.#offsets(topic, partitions, LATEST_TIMESTAMP, false)
    if ('timestampMs' in to) return this.#offsetsAt(topic, partitions, to.timestampMs)
    const ends = new Map<number, number>()
    for (const partition of partitions) {
      const offset = this.#given(topic.name, partition, to.offsets)
      if (offset === undefined) throw endMissing(splitId(topic.name, partition))
      ends.set(partition, offset)
    }
    return ends
  }

  #given(
    topic: string,
    partition: number,
    offsets: Readonly<Record<string, number>>,
  ): number | undefined {
    const isOnly = this.#settings.topics.length === 1
    return offsets[splitId(topic, partition)] ?? (isOnly ? offsets[String(partition)] : undefined)
  }

  /** The first record at or after a time; the end where there is none. */
  async #offsetsAt(
    topic: TopicMetadata,
    partitions: readonly number[],
    timestampMs: number,
  ): Promise<ReadonlyMap<number, number>> {
    // The end first: a record that comes in between then moves the start, and is not skipped.
    const end = await this.#offsets(topic, partitions, LATEST_TIMESTAMP, false)
    const found = new Map(await this.#offsets(topic, partitions, timestampMs, false))
    for (const [partition, offset] of found) {
      if (offset < 0) found.set(partition, end.get(partition)!)
    }
    return found
  }

  #offsets(
    topic: TopicMetadata,
    partitions: readonly number[],
    timestampMs: number,
    committed: boolean,
  ): Promise<ReadonlyMap<number, number>> {
    return this.#cluster.offsets(topic, partitions, timestampMs, committed)
  }
}

export function splitId(topic: string, partition: number): string {
  return `${topic}-${partition}`
}

/** E3. */
function checkKnown(topic: TopicMetadata, known: readonly SourceSplit[]): void {
  for (const split of known) {
    const start = splitStart(split.start)
    if (start.topicId !== topic.id) {
      throw topicRecreated(topic.name, start.topicId, topic.id).at({ split: split.id })
    }
    if (!topic.partitions.some(({ partition }) => partition === start.partition)) {
      throw new StreamError('SPLIT_CHANGED', `partition "${split.id}" is no longer there`, {
        hint: 'Kafka never removes partitions: is this another cluster?',
        place: { split: split.id },
      })
    }
  }
}

function topicDropped(topic: string): StreamError {
  return new StreamError(
    'SPLIT_CHANGED',
    `the checkpoint has positions in topic "${topic}", which the source no longer names`,
    { hint: 'Name the topic again, or give the source a new uid and --drop-state of the old one.' },
  )
}

function endMissing(split: string): StreamError {
  return new StreamError('OPTION_INVALID', `to.offsets has no end for partition "${split}"`, {
    hint: 'Name an end for every partition, as { "0": 1000, "1": 1000 }.',
  })
}
