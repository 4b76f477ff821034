import { count, defineJob } from 'millrace'
import { fileSource, printSink, text } from 'millrace/connectors'

export default defineJob('word-count', (env) => {
  env
    .fromSource('lines', fileSource({ path: './books/*.txt', format: text() }))
    .flatMap((line) => line.toLowerCase().match(/\p{L}+/gu) ?? [])
    .keyBy((word) => word)
    .aggregate('count', { words: count() })
    .map((row) => `${row.key} ${row.words}`)
    .sinkTo('print', printSink())
})
