// Counts the words of some poems, and prints each count as it grows.
// Run it:  npx millrace run examples/01-word-count.ts
import { count, defineJob, parameter } from 'millrace'
import { fileSource, printSink, text } from 'millrace/connectors'

const parameters = {
  path: parameter.text({ default: './examples/data/poems/*.txt', help: 'files of plain text' }),
}

export default defineJob('word-count', parameters, (env, { path }) => {
  env
    .fromSource('lines', fileSource({ path, format: text() }))
    .flatMap((line) => line.toLowerCase().match(/\p{L}+/gu) ?? [])
    .keyBy((word) => word)
    .aggregate('count', { times: count() })
    .sinkTo('print', printSink())
})
