/** Where jobs read from and write to: `millrace/connectors`. */
export { collectionSource } from './collection/collection-source.ts'
export { fileSink } from './files/file-sink.ts'
export type { FileSinkOptions } from './files/file-sink.ts'
export { fileSource } from './files/file-source.ts'
export type { FileSourceOptions } from './files/file-source.ts'
export { csv } from './formats/csv-format.ts'
export { debezium } from './formats/debezium-format.ts'
export type { Format } from './formats/format.ts'
export { json } from './formats/json-format.ts'
export { text } from './formats/text-format.ts'
export { generatorSource } from './generator/generator-source.ts'
export type { GeneratorOptions } from './generator/generator-source.ts'
export { kafkaSource } from './kafka/kafka-source.ts'
export type {
  KafkaMetadata,
  KafkaSourceOptions,
  StartPosition,
  StopPosition,
} from './kafka/kafka-options.ts'
export type { KafkaSecurity } from './kafka/kafka-client.ts'
export type { KafkaSecurity as Security } from './kafka/kafka-client.ts'
export type { StartPosition as Position } from './kafka/kafka-options.ts'
export { kafkaSink, kafkaUpsertSink, parquetLanding } from './later-sinks.ts'
export type { KafkaSinkOptions, ParquetLandingOptions } from './later-sinks.ts'
export { parquetSink } from './parquet/parquet-sink.ts'
export type { ParquetSinkOptions } from './parquet/parquet-sink.ts'
export { printSink } from './print/print-sink.ts'
