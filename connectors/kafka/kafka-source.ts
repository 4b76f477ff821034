import type {
  EnumeratorContext,
  FieldData,
  ReaderContext,
  SchemaData,
  Source,
  SourceDefinition,
} from '../../engine/index.ts'
import type { Format, FormatDefinition } from '../formats/format.ts'
import type { KafkaSecurity, KafkaTransport } from './kafka-client.ts'
import { sourceOf, StreamError } from '../../engine/index.ts'
import { formatDefinition } from '../formats/format.ts'
import { kafkaTransport } from './kafka-client.ts'
import { KafkaEnumerator } from './kafka-enumerator.ts'
import { KafkaReader } from './kafka-reader.ts'

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
   * What a message that cannot be decoded, or has no value, does: end the job, naming partition
   * and offset (the default), or be skipped and logged.
   */
  readonly onMalformed?: 'fail' | 'skip'
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
  readonly onMalformed: 'fail' | 'skip'
  readonly unreachableAfterMs: number
  readonly metadata: boolean
  readonly transport: KafkaTransport
}

/**
 * Reads topics of Kafka 3.1 or later, committed records only. Positions are in the checkpoint;
 * partitions are dealt out by the job, not by a consumer group. An offset that is no longer there,
 * or a topic that was made anew, fails the job: nothing is skipped silently.
 */
export function kafkaSource<V, const M extends boolean = false>(
  options: KafkaSourceOptions<V> & {
    /** Adds the fields of KafkaMetadata to each record, which must be a struct. */
    readonly metadata?: M
  },
): Source<M extends true ? V & KafkaMetadata : V> {
  return kafkaSourceOver(kafkaTransport('millrace', options.security), options)
}

/** The same over any transport, so that a simulated cluster can stand in for brokers. */
export function kafkaSourceOver<V, const M extends boolean = false>(
  transport: KafkaTransport,
  options: KafkaSourceOptions<V> & { readonly metadata?: M },
): Source<M extends true ? V & KafkaMetadata : V> {
  return sourceOf(definitionOf(settingsOf(transport, options, options.metadata ?? false)))
}

function definitionOf(settings: KafkaSettings): SourceDefinition {
  const { brokers, topics, format, from, to } = settings
  return {
    kind: 'kafka',
    parameters: {
      brokers,
      topics,
      format: { kind: format.kind, parameters: format.parameters },
      from: typeof from === 'string' ? from : { ...from },
      to: to === undefined ? null : typeof to === 'string' ? to : { ...to },
    },
    schema: settings.metadata ? withMetadata(format.schema) : format.schema,
    bounded: to !== undefined,
    createEnumerator: (context: EnumeratorContext) => new KafkaEnumerator(settings, context),
    createReader: (context: ReaderContext) => new KafkaReader(settings, context),
  }
}

const UNREACHABLE_AFTER_MS = 60_000
const DISCOVERY_INTERVAL_MS = 30_000

function settingsOf(
  transport: KafkaTransport,
  options: KafkaSourceOptions<unknown>,
  metadata: boolean,
): KafkaSettings {
  const topics = typeof options.topic === 'string' ? [options.topic] : options.topic
  if (options.brokers.length === 0) throw invalid('brokers is empty', 'Name one as host:port.')
  if (topics.length === 0 || topics.includes('')) {
    throw invalid('topic is empty', 'Name the topic to read.')
  }
  if (new Set(topics).size < topics.length) {
    throw invalid(`topic names one twice: "${topics.join(', ')}"`, 'Name each topic once.')
  }
  const from = options.from ?? 'earliest'
  checkPosition('from', from)
  if (options.to !== undefined) checkPosition('to', options.to)
  const settings = {
    unreachableAfterMs: options.unreachableAfterMs ?? UNREACHABLE_AFTER_MS,
    discoveryIntervalMs: options.discoveryIntervalMs ?? DISCOVERY_INTERVAL_MS,
  }
  for (const [name, value] of Object.entries(settings)) {
    if (!(value > 0)) throw invalid(`${name} is ${value}`, 'Give milliseconds above 0.')
  }
  const format = formatDefinition(options.value)
  if (metadata) withMetadata(format.schema)
  return {
    ...settings,
    brokers: options.brokers,
    topics,
    format,
    from,
    to: options.to,
    groupId: options.groupId,
    onMalformed: options.onMalformed ?? 'fail',
    metadata,
    transport,
  }
}

function checkPosition(name: string, position: StartPosition): void {
  if (typeof position === 'string') return
  if ('timestampMs' in position) {
    if (Number.isSafeInteger(position.timestampMs) && position.timestampMs >= 0) return
    throw invalid(`${name}.timestampMs is ${position.timestampMs}`, 'Give epoch milliseconds.')
  }
  for (const [partition, offset] of Object.entries(position.offsets)) {
    if (Number.isSafeInteger(offset) && offset >= 0) continue
    throw invalid(`${name}.offsets["${partition}"] is ${offset}`, 'Give an offset of 0 or more.')
  }
}

const METADATA_FIELDS: readonly FieldData[] = [
  { name: '_topic', schema: { kind: 'utf8' } },
  { name: '_partition', schema: { kind: 'int32' } },
  { name: '_offset', schema: { kind: 'int64', as: 'bigint' } },
  { name: '_timestamp', schema: { kind: 'timestamp' } },
]

function withMetadata(schema: SchemaData): SchemaData {
  if (schema.kind !== 'struct') {
    throw invalid(
      `metadata adds fields, but the records are ${schema.kind}`,
      'Use a format of a struct, or leave metadata out.',
    )
  }
  for (const { name } of METADATA_FIELDS) {
    if (!schema.fields.some((field) => field.name === name)) continue
    throw new StreamError('FIELD_CLASH', `metadata adds "${name}", which the records have`, {
      hint: 'Leave metadata out, or rename the field.',
    })
  }
  return { kind: 'struct', fields: [...schema.fields, ...METADATA_FIELDS] }
}

function invalid(message: string, hint: string): StreamError {
  return new StreamError('OPTION_INVALID', `kafkaSource: ${message}`, { hint })
}
