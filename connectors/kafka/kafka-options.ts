import type { Doors, OnMalformed } from '../../engine/index.ts'
import type { Format, FormatDefinition } from '../formats/format.ts'
import type { KafkaSecurity, KafkaTransport } from './kafka-client.ts'

/**
 * Offsets by partition, as `{ '0': 812, '1': 790 }`; with several topics by `topic-partition`.
 */
export interface OffsetsByPartition {
  readonly offsets: Readonly<Record<string, number>>
}

/** The first record at or after a time, by the records' own timestamps. */
export interface AtTimestamp {
  readonly timestampMs: number
}

/** Where reading begins. A partition that `offsets` leaves out is read from its first record. */
export type StartPosition = 'earliest' | 'latest' | AtTimestamp | OffsetsByPartition

/**
 * Where reading ends, exclusive. `latest`: what the log holds when the job starts. Without a
 * record at or after the time, the end of the log at the start counts.
 */
export type StopPosition = 'latest' | AtTimestamp | OffsetsByPartition

export interface KafkaMetadata {
  readonly _topic: string
  readonly _partition: number
  readonly _offset: bigint
  readonly _timestamp: number
}

export interface KafkaSourceOptions<V> {
  /** Some brokers of the cluster, as host:port; the others are found through them. */
  readonly brokers: readonly string[]
  readonly topic: string | readonly string[]
  readonly value: Format<V>
  /** Default: earliest. Counts at the first start only; afterwards the checkpoint's positions do. */
  readonly from?: StartPosition
  /** Without it the source never ends. */
  readonly to?: StopPosition
  readonly security?: KafkaSecurity
  /** Group that offsets are committed to after each checkpoint, for lag tools; never read. */
  readonly groupId?: string
  /** How often to look for new partitions. Default: 30 s. */
  readonly discoveryIntervalMs?: number
  /**
   * What a message that cannot be decoded, or has no value, does. 'fail' (the default) fails the
   * job and names partition and offset; 'skip' counts and logs it; 'dead-letter' emits it to the
   * side output `malformed`.
   */
  readonly onMalformed?: OnMalformed
  /** How long brokers may be away before the job fails and restarts. Default: 60 s. */
  readonly unreachableAfterMs?: number
}

/** The options with every default filled in, and the door to the cluster. */
export interface KafkaSettings {
  readonly brokers: readonly string[]
  readonly topics: readonly string[]
  readonly format: FormatDefinition
  readonly from: StartPosition
  readonly to: StopPosition | undefined
  readonly groupId: string | undefined
  readonly discoveryIntervalMs: number
  readonly onMalformed: OnMalformed
  readonly unreachableAfterMs: number
  readonly metadata: boolean
  /** By the doors of the life that reads. */
  readonly transport: (doors: Doors) => KafkaTransport
}
