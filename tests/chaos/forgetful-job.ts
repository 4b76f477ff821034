import { defineJob, int32, struct } from 'millrace'
import { fileSink, generatorSource } from 'millrace/connectors'

/** Counts in a variable, which a crash forgets. Plain JavaScript: a test runs it as it stands. */
export default defineJob('forgetful', (env) => {
  let count = 0
  const Count = struct({ count: int32() })
  env
    .fromSource('numbers', generatorSource({ records: 200, perSecond: 2_000, generate: (n) => n }))
    .map(() => ({ count: (count += 1) }))
    .sinkTo('out', fileSink({ directory: './counts', schema: Count }))
})
