import { count, defineJob, float64, int32, parameter, struct, sum, utf8 } from 'millrace'
import { fileSink, generatorSource } from 'millrace/connectors'

const Row = struct({ kind: utf8(), n: int32(), size: float64() })
export const RECORDS = 3
export const EXPLODED = 10_000
export const LARGE_CHARACTERS = 5_000_000

/** Few splits, none at all, a record larger than any ring, and one that becomes ten thousand. */
export default defineJob('odd-shapes', { directory: parameter.text() }, (env, { directory }) => {
  const nothing = env.fromSource(
    'nothing',
    generatorSource({ records: 0, generate: (index) => ({ kind: `none-${index}`, text: '' }) }),
  )
  env
    .fromSource(
      'few',
      generatorSource({
        records: RECORDS,
        generate: (index) => ({
          kind: `large-${index}`,
          text: String(index).repeat(index === 1 ? LARGE_CHARACTERS : 10),
        }),
      }),
    )
    .union(nothing)
    .rebalance()
    .flatMap(({ kind, text }) => [
      { kind, text },
      ...Array.from({ length: EXPLODED }, () => ({ kind: 'piece', text: kind })),
    ])
    .keyBy('kind')
    .process('sizes', {
      emits: struct({ kind: utf8(), size: int32() }),
      onRecord({ kind, text }, { emit }) {
        emit({ kind, size: text.length })
      },
    })
    .keyBy('kind')
    .aggregate('totals', { n: count(), size: sum('size') })
    .sinkTo('rows', fileSink({ directory, schema: Row }))
})
