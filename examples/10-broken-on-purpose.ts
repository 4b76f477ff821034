// Each payment once, though some are sent twice. Right, until it is started again: see the guide.
// Run it:  npx millrace run examples/10-broken-on-purpose.ts
import { defineJob, int32, parameter, struct } from 'millrace'
import { fileSink, generatorSource } from 'millrace/connectors'

const Payment = struct({ id: int32(), cents: int32() })

/** Every fifth payment is sent a second time, some 400 later. */
export function payment(index: number): { readonly id: number; readonly cents: number } {
  const id = index > 400 && index % 5 === 4 ? index - 402 : index
  return { id, cents: 100 + ((id * 7_919) % 9_900) }
}

const parameters = {
  payments: parameter.integer({ default: 5_000 }),
  directory: parameter.text({ default: './out/payments', help: 'where each payment goes once' }),
}

export default defineJob('broken-on-purpose', parameters, (env, { payments, directory }) => {
  // The mistake. No checkpoint knows of this set: after a restart it is empty, and what was seen
  // before passes again. docs/guide/break-your-own-job.md finds it, and mends it.
  const seen = new Set<number>()
  env
    .fromSource('payments', generatorSource({ records: payments, generate: payment }))
    .keyBy('id')
    .process('once', {
      emits: Payment,
      state: {},
      onRecord(sent, { emit }) {
        if (seen.has(sent.id)) return
        seen.add(sent.id)
        emit(sent)
      },
    })
    .sinkTo('files', fileSink({ directory, schema: Payment }))
})
