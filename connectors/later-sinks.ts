import { StreamError } from '../engine/index.ts'
import type { Change, Duration, Sink, StructSchema } from '../engine/index.ts'
import type { Format } from './formats/format.ts'
import type { KafkaSecurity } from './kafka/kafka-client.ts'

/**
 * Sinks whose types are settled and which this version does not have: jobs that name them compile
 * and are refused when they are planned.
 */
export interface ParquetLandingOptions<V> {
  readonly directory: string
  readonly schema: StructSchema<V>
  readonly window?: 'hour' | 'day' | Duration
  readonly timeZone?: string
  readonly allowedLatenessMs?: number
  readonly late?: 'late-files' | 'drop' | 'rewrite' | { readonly redirect: Sink<V> }
}

export interface KafkaSinkOptions<V> {
  readonly brokers: readonly string[]
  readonly topic: string
  readonly value: Format<V>
  readonly key?: Extract<keyof V, string>
  readonly security?: KafkaSecurity
}

/** Parquet files by windows of event time. Not part of this version. */
export function parquetLanding<V>(options: ParquetLandingOptions<V>): Sink<V> {
  throw missing(`parquetLanding into "${options.directory}"`, 'Use parquetSink with partitionBy.')
}

/** Records to a topic, in transactions. Not part of this version. */
export function kafkaSink<V>(options: KafkaSinkOptions<V>): Sink<V> {
  throw missing(`kafkaSink to "${options.topic}"`, 'Use fileSink or parquetSink.')
}

/** The latest row of each key in a compacted topic. Not part of this version. */
export function kafkaUpsertSink<V>(
  options: KafkaSinkOptions<V> & { readonly key: Extract<keyof V, string> },
): Sink<Change<V>> {
  throw missing(`kafkaUpsertSink to "${options.topic}"`, 'Use fileSink or parquetSink.')
}

function missing(name: string, hint: string): StreamError {
  return new StreamError('OPTION_INVALID', `${name} is not part of this version`, { hint })
}
