import { defineJob, float64, mapState, struct, utf8, int32 } from 'millrace'
import { json, kafkaSource, kafkaSink } from 'millrace/connectors'

const Payment = struct({ card: utf8(), country: utf8(), cents: int32() })
const Rule = struct({ country: utf8(), factor: float64() })
const Scored = struct({ card: utf8(), cents: int32(), score: float64() })
const brokers = ['localhost:9092']

export default defineJob('score', (env) => {
  const rules = env
    .fromSource('rules', kafkaSource({ brokers, topic: 'rules', value: json(Rule) }))
    .broadcast()
  const scored = env
    .fromSource('payments', kafkaSource({ brokers, topic: 'payments', value: json(Payment) }))
    .keyBy('card')
    .connect(rules)
    .process('score', {
      emits: Scored,
      sides: { unknown: Payment },
      broadcast: { rules: mapState(utf8(), Rule) },
      onRecord(payment, { broadcast, emit, emitTo }) {
        const rule = broadcast.rules.get(payment.country)
        if (rule === undefined) emitTo('unknown', payment)
        else emit({ card: payment.card, cents: payment.cents, score: payment.cents * rule.factor })
      },
      onBroadcast(rule, { broadcast }) {
        broadcast.rules.put(rule.country, rule)
      },
    })
  scored.sinkTo('scored', kafkaSink({ brokers, topic: 'scored', value: json(Scored), key: 'card' }))
  scored
    .sideOutput('unknown')
    .sinkTo('unknown', kafkaSink({ brokers, topic: 'unknown', value: json(Payment) }))
})
