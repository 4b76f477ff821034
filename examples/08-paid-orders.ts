// Joins orders with their payments: what was paid within the hour, and what was not.
// Run it:  npx millrace run examples/08-paid-orders.ts
import {
  boundedOutOfOrderness,
  days,
  defineJob,
  hours,
  int32,
  parameter,
  struct,
  timestamp,
  utf8,
  valueState,
} from 'millrace'
import { csv, fileSink, fileSource, parquetSink } from 'millrace/connectors'

const Order = struct({
  id: int32(),
  shop: utf8(),
  customer: utf8(),
  cents: int32(),
  at: timestamp(),
})
const Payment = struct({ order: int32(), at: timestamp() })
const Paid = struct({ order: int32(), shop: utf8(), cents: int32(), waitedMs: int32() })

const parameters = {
  data: parameter.text({ default: './examples/data', help: 'folder of orders.csv, payments.csv' }),
  directory: parameter.text({ default: './out/paid-orders', help: 'where paid and unpaid go' }),
}

export default defineJob('paid-orders', parameters, (env, { data, directory }) => {
  const orders = env
    .fromSource('orders', fileSource({ path: `${data}/orders.csv`, format: csv(Order) }))
    .assignTimestampsAndWatermarks('at', boundedOutOfOrderness(days(1)))
  const payments = env
    .fromSource('payments', fileSource({ path: `${data}/payments.csv`, format: csv(Payment) }))
    .assignTimestampsAndWatermarks('at', boundedOutOfOrderness(days(1)))

  const joined = orders
    .keyBy('id')
    .connect(payments.keyBy('order'))
    .process('join', {
      emits: Paid,
      // Whichever file is read faster: orders and payments come by their times.
      order: 'event-time',
      state: { order: valueState(Order) },
      sides: { unpaid: Order },
      onLeft(order, { state, timers }) {
        state.order.update(order)
        timers.registerEventTimeTimer(order.at + hours(1))
      },
      onRight(payment, { state, timers, emit }) {
        const order = state.order.value()
        if (order === undefined) return
        const { id, shop, cents, at } = order
        emit({ order: id, shop, cents, waitedMs: payment.at - at })
        state.order.clear()
        timers.deleteEventTimeTimer(at + hours(1))
      },
      onTimer(_, { state, emitTo }) {
        const order = state.order.value()
        if (order !== undefined) emitTo('unpaid', order)
        state.order.clear()
      },
    })
  joined.sinkTo('paid', parquetSink({ directory: `${directory}/paid`, schema: Paid }))
  joined
    .sideOutput('unpaid')
    .sinkTo('unpaid', fileSink({ directory: `${directory}/unpaid`, schema: Order }))
})
