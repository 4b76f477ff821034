import { defineJob, int32, mapState, parameter, struct, utf8, valueState } from 'millrace'
import { fileSink, fileSource, json } from 'millrace/connectors'

/** What the job is told, a line each: put or read the keys from .. to - 1. */
export interface Order {
  readonly op: 'put' | 'read'
  readonly from: number
  readonly to: number
  readonly version: number
}

const OrderRow = struct({ op: utf8(), from: int32(), to: int32(), version: int32() })
const Read = struct({ key: int32(), text: utf8(), puts: int32() })

/** What key `key` holds after version `version` was put. */
export function textOf(key: number, version: number): string {
  return `value ${(Math.imul(key, 0x9e3779b1) >>> 0).toString(16)} of version ${version}`
}

/** A table of many keys, told by files what to put and what to read out. */
export default defineJob(
  'many-keys',
  { orders: parameter.text(), directory: parameter.text() },
  (env, { orders, directory }) => {
    // Only what a test asks for.
    env.checkpointing({ everyMs: 3_600_000 })
    env.restart({ strategy: 'none' })
    env
      .fromSource('orders', fileSource({ path: orders, format: json(OrderRow), watch: true }))
      .rebalance()
      .flatMap(({ op, from, to, version }) =>
        Array.from({ length: to - from }, (_, nth) => ({ key: from + nth, op, version })),
      )
      .keyBy('key')
      .process('table', {
        emits: Read,
        state: { text: valueState(utf8()), puts: mapState(int32(), int32()) },
        onRecord({ key, op, version }, { state, emit }) {
          if (op === 'put') {
            state.text.update(textOf(key, version))
            state.puts.put(version, (state.puts.get(version) ?? 0) + 1)
            return
          }
          let puts = 0
          for (const [, times] of state.puts.entries()) puts += times
          emit({ key, text: state.text.value() ?? 'nothing', puts })
        },
      })
      .sinkTo('reads', fileSink({ directory, schema: Read }))
  },
)
