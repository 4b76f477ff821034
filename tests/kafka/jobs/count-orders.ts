// Counts the orders of each user: what `chaos.kafka.test.ts` breaks. It can be made to forget.
import { defineJob, int32, parameter, struct, utf8, valueState } from 'millrace'
import { fileSink, json, kafkaSource } from 'millrace/connectors'

const Order = struct({ id: int32(), user: utf8() })
const Counted = struct({ id: int32(), user: utf8(), orders: int32() })

const parameters = {
  broker: parameter.text(),
  topic: parameter.text(),
  to: parameter.integer({ default: 0, help: 'where each partition ends; 0: nowhere' }),
  forgets: parameter.flag({ default: false }),
}

export default defineJob('count-orders', parameters, (env, { broker, topic, to, forgets }) => {
  const known = new Map<string, number>()
  const options = { brokers: [broker], topic, value: json(Order), onMalformed: 'skip' } as const
  const end = to === 0 ? {} : { to: { offsets: { '0': to, '1': to } } }
  env
    .fromSource('orders', kafkaSource({ ...options, ...end }))
    .keyBy('user')
    .process('count', {
      emits: Counted,
      state: { orders: valueState(int32()) },
      onRecord({ id, user }, { state, emit }) {
        const before = forgets ? known.get(user) : state.orders.value()
        const orders = (before ?? 0) + 1
        known.set(user, orders)
        state.orders.update(orders)
        emit({ id, user, orders })
      },
    })
    .sinkTo('counts', fileSink({ directory: 'out/counts', schema: Counted }))
})
