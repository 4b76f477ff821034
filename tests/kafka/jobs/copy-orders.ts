// Copies a Kafka topic into JSON lines, each record with its place: what `jobs.kafka.test.ts` runs.
import { defineJob, int32, int64, parameter, struct, timestamp, utf8 } from 'millrace'
import { fileSink, json, kafkaSource } from 'millrace/connectors'

const Order = struct({ id: int32(), user: utf8() })
const Copied = struct({
  id: int32(),
  user: utf8(),
  _topic: utf8(),
  _partition: int32(),
  _offset: int64(),
  _timestamp: timestamp(),
})

export default defineJob(
  'copy-orders',
  { broker: parameter.text(), topic: parameter.text(), directory: parameter.text() },
  (env, { broker, topic, directory }) => {
    env.checkpointing({ everyMs: 300 })
    env
      .fromSource(
        'orders',
        kafkaSource({
          brokers: [broker],
          topic,
          value: json(Order),
          to: 'latest',
          metadata: true,
          groupId: `${topic}-copy`,
        }),
      )
      .sinkTo('copies', fileSink({ directory, schema: Copied }))
  },
)
