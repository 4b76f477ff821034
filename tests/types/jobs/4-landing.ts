import {
  boundedOutOfOrderness,
  defineJob,
  parameter,
  seconds,
  struct,
  timestamp,
  utf8,
} from 'millrace'
import { json, kafkaSink, kafkaSource, parquetLanding } from 'millrace/connectors'

const Click = struct({ user: utf8(), url: utf8(), at: timestamp() })

export default defineJob(
  'land-clicks',
  {
    brokers: parameter.list({ default: ['localhost:9092'] }),
    password: parameter.secret(),
    directory: parameter.text({ default: './out/lake/clicks' }),
    outOfOrder: parameter.duration({ default: seconds(30) }),
  },
  (env, { brokers, password, directory, outOfOrder }) => {
    const security = { sasl: { mechanism: 'scram-sha-512', username: 'lander', password } } as const
    const late = kafkaSink({
      brokers,
      security,
      topic: 'clicks-late',
      value: json(Click),
      key: 'user',
    })
    env.checkpointing({ everyMs: seconds(10) })
    env
      .fromSource('clicks', kafkaSource({ brokers, security, topic: 'clicks', value: json(Click) }))
      .assignTimestampsAndWatermarks('at', boundedOutOfOrderness(outOfOrder))
      .sinkTo(
        'lake',
        parquetLanding({ directory, schema: Click, window: 'hour', late: { redirect: late } }),
      )
  },
)
