import type { Clock, Random } from '../../engine/index.ts'
import type { KafkaConnection, KafkaTransport } from './kafka-client.ts'
import type { BackOff, KafkaCluster } from './kafka-cluster.ts'
import type { PartitionQueue } from './partition-queue.ts'
import type { FaultWatch, FetchedPartition, TopicMetadata } from './requests.ts'
import { asStreamError, StreamError } from '../../engine/index.ts'
import {
  isUnreachable,
  topicMissing,
  topicRecreated,
  topicRefused,
  unreachable,
} from './kafka-cluster.ts'
import {
  CLOSE_WAIT_MS,
  FETCH_BYTES_MAX,
  FETCH_PARTITION_BYTES_MAX,
  FETCH_WAIT_CROWDED_MAX_MS,
  FETCH_WAIT_CROWDED_MIN_MS,
  FETCH_WAIT_MS,
  PARTITION_AHEAD_BYTES,
  READ_AHEAD_BYTES_MAX,
  TOPIC_MISSING_AFTER_MS,
} from './kafka-limits.ts'
import {
  call,
  EARLIEST_TIMESTAMP,
  FETCH,
  isTransient,
  LATEST_TIMESTAMP,
  PROTOCOL_ERRORS,
} from './requests.ts'

export interface FetcherOptions {
  readonly cluster: KafkaCluster
  readonly transport: KafkaTransport
  readonly clock: Clock
  readonly random: Random
  readonly brokers: readonly string[]
  readonly unreachableAfterMs: number
  readonly watch?: FaultWatch | undefined
  /** Data has come. */
  onData(): void
  onError(error: unknown): void
}

/**
 * Keeps partition queues filled, in the background.
 *
 * F1. At most one fetch is under way to a broker, on a connection of its own.
 * F2. A partition is in at most one fetch, so its bytes arrive in order.
 * F3. No fetch starts while READ_AHEAD_BYTES_MAX are buffered, nor for a partition that has
 *     PARTITION_AHEAD_BYTES: memory is bounded when the task does not read.
 * F4. Whatever may pass is tried again with back-off, and fails the job once a partition has
 *     failed for `unreachableAfterMs`. An offset out of range fails it at once.
 *
 * Awaits: metadata (`#lead`), and in each broker's loop connect, fetch, back-off and signals.
 */
export class KafkaFetcher {
  readonly #options: FetcherOptions
  readonly #partitions: PartitionQueue[] = []
  readonly #brokers = new Map<number, BrokerFetcher>()
  readonly #loops: Promise<void>[] = []
  readonly #wantsLeaders = new Signal()
  #closed = false

  constructor(options: FetcherOptions) {
    this.#options = options
    this.#run(this.#lead())
  }

  add(partitions: readonly PartitionQueue[]): void {
    this.#partitions.push(...partitions)
    this.#wantsLeaders.raise()
  }

  /** The task has read something: there may be room for more. */
  wake(): void {
    for (const broker of this.#brokers.values()) broker.wake()
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#options.cluster.close()
    for (const broker of this.#brokers.values()) broker.close()
    this.#wantsLeaders.raise()
    await Promise.race([Promise.all(this.#loops), this.#options.clock.sleep(CLOSE_WAIT_MS)])
  }

  #run(loop: Promise<void>): void {
    const guarded = loop.catch((error: unknown) => {
      if (!this.#closed) this.#options.onError(asStreamError(error, 'KAFKA_FAILED'))
    })
    this.#loops.push(guarded)
  }

  /** Gives each partition without a leader to the fetcher of its leader. */
  async #lead(): Promise<void> {
    let backOff: BackOff | undefined
    while (!this.#closed) {
      const leaderless = this.#partitions.filter(needsLeader)
      if (leaderless.length === 0) {
        backOff = undefined
        await this.#wantsLeaders.wait()
        continue
      }
      if (backOff !== undefined) await backOff.wait()
      backOff ??= this.#options.cluster.backOff()
      const names = [...new Set(leaderless.map((partition) => partition.topic))]
      const metadata = await this.#options.cluster.metadata(names)
      if (this.#isClosed()) return
      for (const partition of leaderless) this.#assign(partition, metadata.topics)
      this.wake()
    }
  }

  #isClosed(): boolean {
    return this.#closed
  }

  #assign(partition: PartitionQueue, topics: readonly TopicMetadata[]): void {
    const topic = topics.find((candidate) => candidate.name === partition.topic)
    const error = topic?.error ?? PROTOCOL_ERRORS.UNKNOWN_TOPIC_OR_PARTITION
    if (topic === undefined || error !== 0) {
      const failure = isTransient(error)
        ? topicMissing(partition.topic)
        : topicRefused(partition.topic, error)
      const isMissing = error === PROTOCOL_ERRORS.UNKNOWN_TOPIC_OR_PARTITION
      const limitMs = isMissing ? TOPIC_MISSING_AFTER_MS : undefined
      if (!isTransient(error)) throw failure
      this.#failing(partition, failure, limitMs)
      return
    }
    if (topic.id !== partition.topicId) {
      throw topicRecreated(partition.topic, partition.topicId, topic.id).at({ split: partition.id })
    }
    const found = topic.partitions.find((each) => each.partition === partition.partition)
    if (found === undefined || found.leader < 0) {
      this.#failing(partition, topicRefused(partition.topic, found?.error ?? 3))
      return
    }
    partition.leader = found.leader
    if (this.#brokers.has(found.leader)) return
    const broker = new BrokerFetcher(found.leader, this.#options, this.#partitions, {
      failing: (failed, cause) => {
        this.#failing(failed, cause)
        failed.leader = -1
        this.#wantsLeaders.raise()
      },
    })
    this.#brokers.set(found.leader, broker)
    this.#run(broker.run())
  }

  /** F4. */
  #failing(
    partition: PartitionQueue,
    error: StreamError,
    limitMs = this.#options.unreachableAfterMs,
  ): void {
    const nowMs = this.#options.clock.monotonicMs()
    partition.failingSinceMs ??= nowMs
    if (nowMs - partition.failingSinceMs <= limitMs) return
    const failure = isUnreachable(error) ? unreachable(this.#options, error) : error
    throw failure.at({ split: partition.id, offset: partition.fetchAt })
  }
}

function needsLeader(partition: PartitionQueue): boolean {
  return partition.leader < 0 && !partition.isFetched
}

/** A flag that one loop waits for. Raised while nobody waits, it is kept. */
class Signal {
  #raised = false
  #resolve: (() => void) | undefined

  raise(): void {
    this.#raised = true
    this.#resolve?.()
    this.#resolve = undefined
  }

  async wait(): Promise<void> {
    if (!this.#raised) {
      await new Promise<void>((resolve) => {
        this.#resolve = resolve
      })
    }
    this.#raised = false
  }
}

interface Failing {
  /** Notes the failure and takes the partition from this broker. Throws when it is past its time. */
  failing(partition: PartitionQueue, error: StreamError): void
}

/** Fetches from one broker the partitions it leads. */
class BrokerFetcher {
  readonly #broker: number
  readonly #options: FetcherOptions
  readonly #all: readonly PartitionQueue[]
  readonly #owner: Failing
  readonly #room = new Signal()
  #connection: KafkaConnection | undefined
  #isParked = false
  #crowdedWaitMs = FETCH_WAIT_CROWDED_MIN_MS
  #turn = 0
  #closed = false

  constructor(
    broker: number,
    options: FetcherOptions,
    all: readonly PartitionQueue[],
    owner: Failing,
  ) {
    this.#broker = broker
    this.#options = options
    this.#all = all
    this.#owner = owner
  }

  wake(): void {
    this.#crowdedWaitMs = FETCH_WAIT_CROWDED_MIN_MS
    if (this.#isParked) this.#room.raise()
  }

  close(): void {
    this.#closed = true
    this.#connection?.close()
    this.#room.raise()
  }

  async run(): Promise<void> {
    let backOff: BackOff | undefined
    while (!this.#isClosed()) {
      const mine = this.#all.filter(
        (partition) => partition.leader === this.#broker && !partition.isFetched,
      )
      const wanted = this.#wanted(mine)
      if (wanted.length === 0) {
        this.#isParked = true
        await this.#room.wait()
        this.#isParked = false
        continue
      }
      const healthy = await this.#fetch(wanted, wanted.length < mine.length)
      if (healthy) {
        backOff = undefined
      } else if (!this.#isClosed()) {
        backOff ??= this.#options.cluster.backOff()
        await backOff.wait()
      }
    }
  }

  #isClosed(): boolean {
    return this.#closed
  }

  /** F3. The first of the list changes each time: only the first is sure to get a large batch. */
  #wanted(mine: readonly PartitionQueue[]): readonly PartitionQueue[] {
    let buffered = 0
    for (const partition of this.#all) buffered += partition.bufferedBytes
    if (buffered >= READ_AHEAD_BYTES_MAX) return []
    const wanted = mine.filter((partition) => partition.bufferedBytes < PARTITION_AHEAD_BYTES)
    if (wanted.length < 2) return wanted
    this.#turn = (this.#turn + 1) % wanted.length
    return [...wanted.slice(this.#turn), ...wanted.slice(0, this.#turn)]
  }

  /** One fetch. False when something went wrong that may pass. */
  async #fetch(wanted: readonly PartitionQueue[], crowded: boolean): Promise<boolean> {
    try {
      const connection = await this.#connect()
      this.#crowdedWaitMs = Math.min(this.#crowdedWaitMs * 2, FETCH_WAIT_CROWDED_MAX_MS)
      const response = await call(
        connection,
        FETCH,
        {
          waitMs: crowded ? this.#crowdedWaitMs : FETCH_WAIT_MS,
          bytesMax: FETCH_BYTES_MAX,
          partitionBytesMax: FETCH_PARTITION_BYTES_MAX,
          partitions: wanted.map(({ topicId, partition, fetchAt }) => ({
            topicId,
            partition,
            offset: fetchAt,
          })),
        },
        this.#options.watch,
      )
      if (this.#closed) return true
      if (response.error !== 0) return this.#failed(wanted, topicRefused('', response.error))
      return await this.#deliver(wanted, response.partitions)
    } catch (error) {
      if (this.#closed) return true
      this.#connection?.close()
      this.#connection = undefined
      if (error instanceof StreamError && !isUnreachable(error)) throw error
      return this.#failed(wanted, asStreamError(error, 'KAFKA_UNREACHABLE'))
    }
  }

  #failed(partitions: readonly PartitionQueue[], error: StreamError): false {
    for (const partition of partitions) this.#owner.failing(partition, error)
    return false
  }

  async #deliver(
    wanted: readonly PartitionQueue[],
    fetched: readonly FetchedPartition[],
  ): Promise<boolean> {
    let healthy = true
    let hasData = false
    for (const each of fetched) {
      const partition = wanted.find(
        (candidate) => candidate.partition === each.partition && candidate.topicId === each.topicId,
      )
      if (partition === undefined) continue
      if (each.error === 0) {
        partition.failingSinceMs = undefined
        if (each.records.length === 0) continue
        partition.append(each.records, each.aborted)
        hasData = true
      } else {
        healthy = false
        await this.#refused(partition, each)
      }
    }
    if (hasData) this.#options.onData()
    return healthy
  }

  async #refused(partition: PartitionQueue, fetched: FetchedPartition): Promise<void> {
    if (fetched.error === PROTOCOL_ERRORS.OFFSET_OUT_OF_RANGE)
      throw await this.#outOfRange(partition)
    const error = topicRefused(partition.topic, fetched.error)
    if (!isTransient(fetched.error)) throw error.at({ split: partition.id })
    this.#owner.failing(partition, error)
  }

  /** The log no longer has, or never had, the offset that comes next: never a reset. */
  async #outOfRange(partition: PartitionQueue): Promise<StreamError> {
    const { cluster } = this.#options
    const topic = await cluster.topic(partition.topic)
    if (topic.id !== partition.topicId) {
      return topicRecreated(partition.topic, partition.topicId, topic.id).at({
        split: partition.id,
      })
    }
    const asked = [partition.partition]
    const first = await cluster.offsets(topic, asked, EARLIEST_TIMESTAMP, false)
    const end = await cluster.offsets(topic, asked, LATEST_TIMESTAMP, false)
    return outOfRange(
      partition.id,
      partition.fetchAt,
      first.get(partition.partition) ?? -1,
      end.get(partition.partition) ?? -1,
    )
  }

  async #connect(): Promise<KafkaConnection> {
    if (this.#connection !== undefined) return this.#connection
    const address = this.#options.cluster.addressOf(this.#broker)
    if (address === undefined) {
      throw new StreamError('KAFKA_UNREACHABLE', `broker ${this.#broker} has left the cluster`)
    }
    const connection = await this.#options.transport.connect(address)
    if (this.#closed) connection.close()
    this.#connection = connection
    return connection
  }
}

export function outOfRange(
  split: string,
  offset: number,
  logStart: number,
  end: number,
): StreamError {
  return new StreamError(
    'OFFSET_OUT_OF_RANGE',
    `offset ${offset} of "${split}" is not there, the log holds ${logStart} to ${end} (exclusive)`,
    {
      hint: 'Records were deleted unread, or the log was cut. Keep them longer; --fresh starts anew.',
      place: { split, offset },
    },
  )
}
