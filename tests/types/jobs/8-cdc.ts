import { defineJob, int64, nullable, struct, utf8 } from 'millrace'
import { debezium, json, kafkaSource, kafkaUpsertSink } from 'millrace/connectors'

const Customer = struct({ id: int64(), name: utf8(), email: nullable(utf8()) })
const brokers = ['localhost:9092']

export default defineJob('customers', (env) => {
  env
    .fromSource(
      'changes',
      kafkaSource({ brokers, topic: 'shop.public.customers', value: debezium(json(Customer)) }),
    )
    .map(({ kind, row }) => ({ kind, row: { ...row, email: row.email?.toLowerCase() ?? null } }))
    .sinkTo(
      'table',
      kafkaUpsertSink({ brokers, topic: 'customers', value: json(Customer), key: 'id' }),
    )
})
