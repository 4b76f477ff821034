// map, filter, map over generated records of seven fields, two of them text. Nothing leaves a
// thread.
import { defineJob, parameter } from 'millrace'
import { generatorSource } from 'millrace/connectors'
import { tallySink } from '../tally-sink.ts'
import { click } from './records.ts'

export default defineJob(
  'bench-chain',
  { events: parameter.integer({ default: 10_000_000 }), tally: parameter.text() },
  (env, { events, tally }) => {
    env.checkpointing({ everyMs: 10_000 })
    env
      .fromSource('clicks', generatorSource({ records: events, generate: click }))
      .map((row) => ({
        id: row.id,
        user: row.user,
        url: row.url,
        quantity: row.quantity,
        total: row.quantity * row.cents,
        price: row.price,
        at: row.at,
      }))
      .filter((row) => row.total % 3 !== 0)
      .map((row) => ({
        id: row.id,
        user: row.user,
        total: row.total,
        day: row.at - (row.at % 86_400_000),
      }))
      .sinkTo('tally', tallySink(tally, 'total'))
  },
)
