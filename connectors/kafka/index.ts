export { kafkaSource } from './kafka-source.ts'
export type {
  AtTimestamp,
  KafkaMetadata,
  KafkaSourceOptions,
  OffsetsByPartition,
  StartPosition,
  StopPosition,
} from './kafka-source.ts'
export type { KafkaSecurity } from './kafka-client.ts'
