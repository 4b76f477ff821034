// Holds orders against rules that change while the job runs: broadcast state, a side output.
// Run it:  npx millrace run examples/04-fraud-rules.ts
import {
  boundedOutOfOrderness,
  days,
  defineJob,
  int32,
  mapState,
  monotonous,
  parameter,
  struct,
  timestamp,
  utf8,
} from 'millrace'
import { csv, fileSink, fileSource, json } from 'millrace/connectors'

const Order = struct({
  id: int32(),
  shop: utf8(),
  customer: utf8(),
  cents: int32(),
  at: timestamp(),
})
/** From that time on, orders of the shop above the limit are suspicious. */
const Rule = struct({ shop: utf8(), limit: int32(), from: timestamp() })
const Alarm = struct({ order: int32(), customer: utf8(), cents: int32(), limit: int32() })

const parameters = {
  data: parameter.text({ default: './examples/data', help: 'folder of orders.csv, rules.jsonl' }),
  directory: parameter.text({ default: './out/fraud', help: 'where alarms and unknown go' }),
}

export default defineJob('fraud-rules', parameters, (env, { data, directory }) => {
  const rules = env
    .fromSource('rules', fileSource({ path: `${data}/rules.jsonl`, format: json(Rule) }))
    .assignTimestampsAndWatermarks('from', monotonous())
    .broadcast()

  const checked = env
    .fromSource('orders', fileSource({ path: `${data}/orders.csv`, format: csv(Order) }))
    .assignTimestampsAndWatermarks('at', boundedOutOfOrderness(days(1)))
    .keyBy('customer')
    .connect(rules)
    .process('check', {
      emits: Alarm,
      // An order sees every rule up to its time and none behind it, whichever input is faster.
      order: 'event-time',
      broadcast: { rules: mapState(utf8(), Rule) },
      sides: { unknown: Order },
      onRecord(order, { broadcast, emit, emitTo }) {
        const rule = broadcast.rules.get(order.shop)
        if (rule === undefined) emitTo('unknown', order)
        else if (order.cents > rule.limit) {
          emit({
            order: order.id,
            customer: order.customer,
            cents: order.cents,
            limit: rule.limit,
          })
        }
      },
      onBroadcast: (rule, { broadcast }) => broadcast.rules.put(rule.shop, rule),
    })
  checked.sinkTo('alarms', fileSink({ directory: `${directory}/alarms`, schema: Alarm }))
  checked
    .sideOutput('unknown')
    .sinkTo('unknown', fileSink({ directory: `${directory}/unknown`, schema: Order }))
})
