// Finds cards that are tried out: a small order, and as the next one a large one soon after it.
// Run it:  npx millrace run examples/11-tested-cards.ts
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
import { csv, fileSink, fileSource } from 'millrace/connectors'

const SMALL = 1_000
const LARGE = 8_000
const SOON = hours(6)
const Order = struct({
  id: int32(),
  shop: utf8(),
  customer: utf8(),
  cents: int32(),
  at: timestamp(),
})
const Alarm = struct({ order: int32(), customer: utf8(), cents: int32(), afterMs: int32() })

const parameters = {
  orders: parameter.text({ default: './examples/data/orders.csv' }),
  directory: parameter.text({ default: './out/tested-cards', help: 'where the alarms go' }),
}

export default defineJob('tested-cards', parameters, (env, { orders, directory }) => {
  env
    .fromSource('orders', fileSource({ path: orders, format: csv(Order) }))
    .assignTimestampsAndWatermarks('at', boundedOutOfOrderness(days(1)))
    .keyBy('customer')
    .process('check', {
      emits: Alarm,
      // "The next one" is a question of order: without this the alarms would depend on chance.
      order: 'event-time',
      state: { smallAt: valueState(timestamp()) },
      onRecord(order, { state, timers, emit }) {
        const smallAt = state.smallAt.value()
        if (smallAt !== undefined) {
          const { id, customer, cents, at } = order
          if (cents > LARGE) emit({ order: id, customer, cents, afterMs: at - smallAt })
          timers.deleteEventTimeTimer(smallAt + SOON)
          state.smallAt.clear()
        }
        if (order.cents >= SMALL) return
        state.smallAt.update(order.at)
        timers.registerEventTimeTimer(order.at + SOON)
      },
      onTimer: (_, { state }) => state.smallAt.clear(),
    })
    .sinkTo('alarms', fileSink({ directory, schema: Alarm }))
})
