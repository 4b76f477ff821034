import {
  boundedOutOfOrderness,
  defineJob,
  hours,
  int32,
  minutes,
  seconds,
  struct,
  timestamp,
  utf8,
} from 'millrace'
import { fileSink, json, kafkaSource } from 'millrace/connectors'

const Order = struct({ id: utf8(), cents: int32(), at: timestamp() })
const Payment = struct({ order: utf8(), cents: int32(), at: timestamp() })
const Paid = struct({ order: utf8(), cents: int32(), waitedMs: int32() })
const brokers = ['localhost:9092']

export default defineJob('paid-orders', (env) => {
  const watermarks = boundedOutOfOrderness(seconds(10))
  const orders = env
    .fromSource('orders', kafkaSource({ brokers, topic: 'orders', value: json(Order) }))
    .assignTimestampsAndWatermarks('at', watermarks)
  const payments = env
    .fromSource('payments', kafkaSource({ brokers, topic: 'payments', value: json(Payment) }))
    .assignTimestampsAndWatermarks('at', watermarks)

  orders
    .keyBy('id')
    .intervalJoin(
      'paid',
      payments.keyBy('order'),
      { lower: minutes(-5), upper: hours(1) },
      (order, payment) => ({
        order: order.id,
        cents: payment.cents,
        waitedMs: payment.at - order.at,
      }),
    )
    .sinkTo('files', fileSink({ directory: './out/paid', schema: Paid }))
})
