// The running count of each key, exchanged between threads. The key is a declared field or a
// function.
import { count, defineJob, parameter } from 'millrace'
import { generatorSource } from 'millrace/connectors'
import { tallySink } from '../tally-sink.ts'
import { keyOf } from './records.ts'

export default defineJob(
  'bench-keyed',
  {
    events: parameter.integer({ default: 10_000_000 }),
    keys: parameter.integer({ default: 10_000 }),
    by: parameter.choice(['field', 'function'], { default: 'field' }),
    tally: parameter.text(),
  },
  (env, { events, keys, by, tally }) => {
    env.checkpointing({ everyMs: 10_000 })
    const source = env.fromSource(
      'events',
      generatorSource({ records: events, generate: (index) => ({ key: keyOf(index, keys) }) }),
    )
    const sink = tallySink(tally, 'n')
    if (by === 'field') source.keyBy('key').aggregate('count', { n: count() }).sinkTo('tally', sink)
    else
      source
        .keyBy((row) => row.key)
        .aggregate('count', { n: count() })
        .sinkTo('tally', sink)
  },
)
