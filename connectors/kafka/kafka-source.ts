import type {
  Doors,
  EnumeratorContext,
  FieldData,
  MalformedOutput,
  OnMalformed,
  ReaderContext,
  RemoteInput,
  SchemaData,
  Source,
  SourceDefinition,
} from '../../engine/index.ts'
import type { KafkaTransport } from './kafka-client.ts'
import type {
  StartPosition,
  KafkaMetadata,
  KafkaSourceOptions,
  KafkaSettings,
} from './kafka-options.ts'
import { assert, sourceOf, StreamError } from '../../engine/index.ts'
import { formatDefinition } from '../formats/format.ts'
import { onMalformedOf } from '../formats/malformed.ts'
import { kafkaTransport } from './kafka-client.ts'
import { KafkaEnumerator } from './kafka-enumerator.ts'
import { KafkaReader } from './kafka-reader.ts'
import { recordKafka } from './kafka-recorder.ts'
import { RecordedKafka } from './recorded-kafka.ts'

/**
 * Reads topics of Kafka 3.1 or later, committed records only. Positions are in the checkpoint;
 * partitions are dealt out by the job, not by a consumer group. An offset that is no longer there,
 * or a topic that was made anew, fails the job: nothing is skipped silently.
 */
export function kafkaSource<
  V,
  const M extends boolean = false,
  const B extends OnMalformed = 'fail',
>(
  options: KafkaSourceOptions<V> & {
    /** Adds the fields of KafkaMetadata to each record, which must be a struct. */
    readonly metadata?: M
    readonly onMalformed?: B
  },
): Source<M extends true ? V & KafkaMetadata : V, MalformedOutput<B>> {
  const transport = kafkaTransport('millrace', options.security)
  const settings = settingsOf(transport, options, options.metadata ?? false)
  return sourceOf(definitionOf(settings))
}

/** In simulation the brokers are in memory: the source reads what was recorded of real ones. */
function remoteOf(settings: KafkaSettings): RemoteInput {
  return {
    record: (doors, limits) => recordKafka(settings, doors, limits),
    parse: (data) => RecordedKafka.parse(data),
    over: (input) => {
      assert(input instanceof RecordedKafka, 'a recording of another connector')
      return definitionOf(input.settings(settings))
    },
  }
}

/**
 * The same over any transport, so that a simulated cluster can stand in for brokers: one whose
 * clock is the reading life's is given as a function.
 */
export function kafkaSourceOver<V, const M extends boolean = false>(
  transport: KafkaTransport | ((doors: Doors) => KafkaTransport),
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
      onMalformed: settings.onMalformed,
    },
    schema: settings.metadata ? withMetadata(format.schema) : format.schema,
    bounded: to !== undefined,
    onMalformed: settings.onMalformed,
    remote: remoteOf(settings),
    createEnumerator: (context: EnumeratorContext) => new KafkaEnumerator(settings, context),
    createReader: (context: ReaderContext) => new KafkaReader(settings, context),
  }
}

const UNREACHABLE_AFTER_MS = 60_000
const DISCOVERY_INTERVAL_MS = 30_000

function settingsOf(
  transport: KafkaTransport | ((doors: Doors) => KafkaTransport),
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
    onMalformed: onMalformedOf('kafkaSource', options.onMalformed),
    metadata,
    transport: typeof transport === 'function' ? transport : () => transport,
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
