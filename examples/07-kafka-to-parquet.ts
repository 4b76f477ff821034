// Lands a Kafka topic as Parquet, a folder a day, each message exactly once and with its place.
// Run it:  npx millrace run examples/07-kafka-to-parquet.ts --set brokers=localhost:9092
import { defineJob, int32, int64, parameter, struct, timestamp, utf8 } from 'millrace'
import { json, kafkaSource, parquetSink } from 'millrace/connectors'

const Click = struct({ user: utf8(), url: utf8(), at: timestamp() })
const Landed = struct({
  user: utf8(),
  url: utf8(),
  at: timestamp(),
  _topic: utf8(),
  _partition: int32(),
  _offset: int64(),
  _timestamp: timestamp(),
})

const parameters = {
  brokers: parameter.list({ help: 'some brokers, as host:port' }),
  topic: parameter.text({ default: 'clicks' }),
  directory: parameter.text({ default: './out/lake/clicks', help: 'where the table goes' }),
  until: parameter.choice(['now', 'for-ever'], {
    default: 'for-ever',
    help: 'now: end with what the topic holds at the start',
  }),
}

export default defineJob(
  'kafka-to-parquet',
  parameters,
  (env, { brokers, topic, directory, until }) => {
    const clicks = kafkaSource({
      brokers,
      topic,
      value: json(Click),
      metadata: true,
      groupId: `${topic}-to-parquet`,
      ...(until === 'now' ? { to: 'latest' as const } : {}),
    })
    env.fromSource('clicks', clicks).sinkTo(
      'lake',
      parquetSink({
        directory,
        schema: Landed,
        compression: 'zstd',
        partitionBy: ({ at }) => `day=${new Date(at).toISOString().slice(0, 10)}`,
      }),
    )
  },
)
