// What cannot be read goes into a folder of its own; the rest is counted.
import { count, DeadLetter, defineJob, int32, struct, utf8 } from 'millrace'
import type { DataStream } from 'millrace'
import { fileSink, fileSource, json, kafkaSource, printSink } from 'millrace/connectors'

const Order = struct({ id: int32(), shop: utf8() })

export default defineJob('dead-letters', (env) => {
  const files = env.fromSource(
    'orders',
    fileSource({ path: './orders', format: json(Order), onMalformed: 'dead-letter' }),
  )
  const topic = env.fromSource(
    'late-orders',
    kafkaSource({
      brokers: ['localhost:9092'],
      topic: 'orders',
      value: json(Order),
      metadata: true,
      onMalformed: 'dead-letter',
    }),
  )
  files.keyBy('shop').aggregate('shops', { orders: count() }).sinkTo('out', printSink())
  topic.map(({ id, _offset }) => ({ id, _offset })).sinkTo('offsets', printSink())
  const bad: DataStream<DeadLetter> = files.sideOutput('malformed')
  bad
    .union(topic.sideOutput('malformed'))
    .map((letter) => ({ ...letter, text: Buffer.from(letter.bytes).toString() }))
    .map(({ source, split, offset, code, error, bytes }): DeadLetter => {
      return { source, split, offset, code, error, bytes }
    })
    .sinkTo('bad', fileSink({ directory: './bad', schema: DeadLetter }))
})
