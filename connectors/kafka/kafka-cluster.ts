import type { Clock, Logger, Random } from '../../engine/index.ts'
import type { KafkaConnection, KafkaTransport } from './kafka-client.ts'
import type {
  Api,
  ClusterMetadata,
  FaultWatch,
  PartitionMetadata,
  TopicMetadata,
} from './requests.ts'
import { asStreamError, StreamError } from '../../engine/index.ts'
import {
  BACK_OFF_MAX_MS,
  BACK_OFF_MIN_MS,
  OUTAGE_LOGGED_AFTER_MS,
  TOPIC_MISSING_AFTER_MS,
} from './kafka-limits.ts'
import {
  call,
  errorName,
  isTransient,
  LIST_OFFSETS,
  METADATA,
  PROTOCOL_ERRORS,
} from './requests.ts'

export interface ClusterOptions {
  readonly brokers: readonly string[]
  readonly transport: KafkaTransport
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** How long brokers may be away before the job fails. */
  readonly unreachableAfterMs: number
  readonly watch?: FaultWatch | undefined
}

/** Waits that double with each attempt, with chance in them so that readers do not march in step. */
export class BackOff {
  readonly #clock: Clock
  readonly #random: Random
  readonly #startMs: number
  #waitMs = BACK_OFF_MIN_MS

  constructor(clock: Clock, random: Random) {
    this.#clock = clock
    this.#random = random
    this.#startMs = clock.monotonicMs()
  }

  get elapsedMs(): number {
    return this.#clock.monotonicMs() - this.#startMs
  }

  async wait(): Promise<void> {
    const waitMs = this.#waitMs * (0.5 + this.#random.next() / 2)
    this.#waitMs = Math.min(this.#waitMs * 2, BACK_OFF_MAX_MS)
    await this.#clock.sleep(waitMs)
  }
}

/**
 * What is asked of a cluster besides records: who leads a partition, where a log begins and ends.
 * Each question is asked again, at any broker that answers, until `unreachableAfterMs` is over.
 * One control connection is held to each broker asked; fetchers have their own.
 */
export class KafkaCluster {
  readonly #options: ClusterOptions
  readonly #connections = new Map<string, Promise<KafkaConnection>>()
  #known: ReadonlyMap<number, string> = new Map()
  #turn = 0
  #closed = false

  constructor(options: ClusterOptions) {
    this.#options = options
  }

  backOff(): BackOff {
    return new BackOff(this.#options.clock, this.#options.random)
  }

  /** Brokers and the topics asked for, each with its own error; asks once every broker it knows. */
  async metadata(topics: readonly string[]): Promise<ClusterMetadata> {
    const metadata = await this.#retry(() => this.callAny(METADATA, topics))
    this.#known = metadata.brokers
    return metadata
  }

  /** The topic with all its partitions, each with a leader. Throws TOPIC_MISSING. */
  async topic(name: string): Promise<TopicMetadata> {
    const backOff = this.backOff()
    for (;;) {
      const topic = (await this.metadata([name])).topics[0]
      const error = topic === undefined ? PROTOCOL_ERRORS.UNKNOWN_TOPIC_OR_PARTITION : topic.error
      if (topic !== undefined && error === 0 && topic.partitions.every(hasLeader)) return topic
      if (error === PROTOCOL_ERRORS.UNKNOWN_TOPIC_OR_PARTITION) {
        if (backOff.elapsedMs > TOPIC_MISSING_AFTER_MS) throw topicMissing(name)
      } else if (!isTransient(error) && error !== 0) {
        throw topicRefused(name, error)
      } else if (backOff.elapsedMs > this.#options.unreachableAfterMs) {
        throw noLeader(name)
      }
      await backOff.wait()
    }
  }

  /** Offsets of some partitions at `timestampMs`; -1 where no record is at or after it. */
  async offsets(
    topic: TopicMetadata,
    partitions: readonly number[],
    timestampMs: number,
    committed: boolean,
  ): Promise<ReadonlyMap<number, number>> {
    const found = new Map<number, number>()
    const backOff = this.backOff()
    let current = topic
    for (;;) {
      const missing = current.partitions.filter(
        ({ partition }) => partitions.includes(partition) && !found.has(partition),
      )
      const lastError = await this.#offsetsOf(current.name, missing, timestampMs, committed, found)
      if (partitions.every((partition) => found.has(partition))) return found
      if (backOff.elapsedMs > this.#options.unreachableAfterMs) {
        throw asStreamError(lastError ?? noLeader(topic.name), 'KAFKA_FAILED')
      }
      await backOff.wait()
      current = await this.topic(topic.name)
    }
  }

  /** Adds to `found` what the leaders told, and returns the last error that may pass. */
  async #offsetsOf(
    topic: string,
    partitions: readonly PartitionMetadata[],
    timestampMs: number,
    committed: boolean,
    found: Map<number, number>,
  ): Promise<unknown> {
    let lastError: unknown
    for (const leader of new Set(partitions.map((partition) => partition.leader))) {
      const asked = partitions.filter((partition) => partition.leader === leader)
      const request = {
        committed,
        topic,
        partitions: asked.map(({ partition }) => ({ partition, timestampMs })),
      }
      try {
        for (const listed of await this.callBroker(leader, LIST_OFFSETS, request)) {
          if (listed.error === 0) found.set(listed.partition, listed.offset)
          else if (isTransient(listed.error)) lastError = topicRefused(topic, listed.error)
          else throw topicRefused(topic, listed.error)
        }
      } catch (error) {
        if (!isUnreachable(error)) throw error
        lastError = error
      }
    }
    return lastError
  }

  addressOf(broker: number): string | undefined {
    return this.#known.get(broker)
  }

  /** One attempt at one broker. */
  async callBroker<Q, R>(broker: number, api: Api<Q, R>, request: Q): Promise<R> {
    const address = this.#known.get(broker)
    if (address === undefined) {
      throw new StreamError('KAFKA_UNREACHABLE', `broker ${broker} is not in the cluster`)
    }
    return this.callAddress(address, api, request)
  }

  /** One attempt at one address. */
  async callAddress<Q, R>(address: string, api: Api<Q, R>, request: Q): Promise<R> {
    const connection = await this.#connect(address)
    try {
      return await call(connection, api, request, this.#options.watch)
    } catch (error) {
      this.#connections.delete(address)
      connection.close()
      throw error
    }
  }

  /** One attempt at every broker known, in turn, until one answers. */
  async callAny<Q, R>(api: Api<Q, R>, request: Q): Promise<R> {
    const addresses = [...new Set([...this.#known.values(), ...this.#options.brokers])]
    let lastError: unknown
    for (let tried = 0; tried < addresses.length; tried += 1) {
      const address = addresses[(this.#turn + tried) % addresses.length]!
      try {
        const response = await this.callAddress(address, api, request)
        this.#turn += tried // Stay with the one that answers.
        return response
      } catch (error) {
        if (!isUnreachable(error)) throw error
        lastError = error
      }
    }
    throw lastError
  }

  close(): void {
    this.#closed = true
    for (const connecting of this.#connections.values()) {
      connecting.then(
        (connection) => {
          connection.close()
        },
        () => undefined,
      )
    }
    this.#connections.clear()
  }

  #connect(address: string): Promise<KafkaConnection> {
    if (this.#closed) throw closedError()
    const existing = this.#connections.get(address)
    if (existing !== undefined) return existing
    const connecting = this.#options.transport.connect(address)
    this.#connections.set(address, connecting)
    connecting.catch(() => {
      if (this.#connections.get(address) === connecting) this.#connections.delete(address)
    })
    return connecting
  }

  async #retry<R>(attempt: () => Promise<R>): Promise<R> {
    const backOff = this.backOff()
    const { brokers, logger } = this.#options
    let isLogged = false
    for (;;) {
      try {
        const response = await attempt()
        if (isLogged) logger.info({ brokers, afterMs: backOff.elapsedMs }, 'Kafka answers again')
        return response
      } catch (error) {
        if (this.#closed) throw closedError()
        if (!isUnreachable(error)) throw error
        if (backOff.elapsedMs > this.#options.unreachableAfterMs) {
          throw unreachable(this.#options, error)
        }
        if (!isLogged && backOff.elapsedMs > OUTAGE_LOGGED_AFTER_MS) {
          isLogged = true
          logger.warn({ brokers, reason: messageOf(error) }, 'Kafka does not answer, trying again')
        }
      }
      await backOff.wait()
    }
  }
}

export function isUnreachable(error: unknown): boolean {
  return error instanceof StreamError && error.code === 'KAFKA_UNREACHABLE'
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function hasLeader(partition: PartitionMetadata): boolean {
  return partition.leader >= 0
}

function closedError(): StreamError {
  return new StreamError('CANCELED', 'the connection to Kafka was closed')
}

export function unreachable(
  options: Pick<ClusterOptions, 'brokers' | 'unreachableAfterMs'>,
  cause: unknown,
): StreamError {
  const asked = options.brokers.join(', ')
  const forMs = options.unreachableAfterMs
  return new StreamError(
    'KAFKA_UNREACHABLE',
    `no broker of "${asked}" answered for ${forMs} ms, last: ${messageOf(cause)}`,
    { hint: 'Check the brokers and their advertised addresses. Nothing was lost.', cause },
  )
}

export function topicMissing(topic: string): StreamError {
  return new StreamError('TOPIC_MISSING', `topic "${topic}" does not exist`, {
    hint: 'Create it before the job starts, or check its name.',
  })
}

export function topicRecreated(topic: string, expected: string, found: string): StreamError {
  return new StreamError(
    'TOPIC_RECREATED',
    `topic "${topic}" was deleted and made again: its id is ${found}, the job reads ${expected}`,
    {
      hint: 'Start with --fresh, or give the source a new uid: the old offsets mean nothing here.',
    },
  )
}

export function topicRefused(topic: string, error: number): StreamError {
  return new StreamError('KAFKA_FAILED', `topic "${topic}": ${errorName(error)}`, {
    hint: "Look the error up in Kafka's protocol guide; for an authorization error check the ACLs.",
  })
}

function noLeader(topic: string): StreamError {
  return new StreamError('KAFKA_FAILED', `topic "${topic}" has partitions without a leader`, {
    hint: 'Check that the brokers that hold it run.',
  })
}
