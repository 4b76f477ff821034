import { defineJob, int32, packed, parameter, struct, utf8, valueState } from 'millrace'
import type { Key } from 'millrace'
import { fileSink, generatorSource } from 'millrace/connectors'

const LONG = 'long '.repeat(20_000)

/** Keys that are easily mistaken for another, or are hard to hold; each under a name of its own. */
export const STRANGE: readonly (readonly [string, () => Key])[] = [
  ['null', () => null],
  ['the text null', () => 'null'],
  ['empty', () => ''],
  ['zero', () => 0],
  ['NaN', () => NaN],
  ['the text NaN', () => 'NaN'],
  ['one', () => 1],
  ['the text one', () => '1'],
  ['big one', () => 1n],
  ['beyond int64', () => 2n ** 80n],
  ['below int64', () => -(2n ** 80n)],
  ['half', () => 0.5],
  ['infinite', () => Infinity],
  ['true', () => true],
  ['the text true', () => 'true'],
  ['__proto__', () => '__proto__'],
  ['constructor', () => 'constructor'],
  ['a field __proto__', () => JSON.parse('{"__proto__":1}') as Key],
  ['no fields', () => ({})],
  ['nested', () => ({ b: [1, { c: null }], a: 'x' })],
  ['nested, other order', () => ({ a: 'y', b: [1, { c: null }] })],
  ['no items', () => []],
  ['items', () => [1, '1', 1n]],
  ['bytes', () => Uint8Array.of(0, 255)],
  ['no bytes', () => new Uint8Array()],
  ['lone surrogate', () => '\ud800'],
  ['zero character', () => '\u0000'],
  ['100 kB', () => LONG],
  ['100 kB and one', () => `${LONG}!`],
  // Enough plain ones besides that the strange ones have to leave the heap.
  ...Array.from({ length: 4_000 }, (_, nth) => [`plain ${nth}`, () => `plain ${nth}`] as const),
]

/** The spelling of a key that equals it: minus zero for zero, other orders of fields. */
function otherSpelling(key: Key): Key {
  if (key === 0) return -0
  if (typeof key !== 'object' || key === null || key instanceof Uint8Array) return key
  if (Array.isArray(key)) return key as Key
  return Object.fromEntries(Object.entries(key).reverse())
}

const Held = struct({ name: utf8(), seen: int32(), value: packed<unknown>() })
const Out = struct({ name: utf8(), seen: int32() })

export default defineJob(
  'strange-keys',
  {
    directory: parameter.text(),
    records: parameter.integer(),
    perSecond: parameter.integer(),
  },
  (env, { directory, records, perSecond }) => {
    env.checkpointing({ everyMs: 200 })
    env
      .fromSource(
        'keys',
        generatorSource({
          records,
          perSecond,
          generate: (index) => {
            const [name, make] = STRANGE[index % STRANGE.length]!
            const key = make()
            const isOdd = Math.floor(index / STRANGE.length) % 2 === 1
            return { name, key: isOdd && name !== 'a field __proto__' ? otherSpelling(key) : key }
          },
        }),
      )
      .keyBy((row) => row.key)
      .process('held', {
        emits: Out,
        state: { held: valueState(Held) },
        onRecord({ name, key }, { state, emit }) {
          const before = state.held.value()
          if (before !== undefined && before.name !== name) {
            throw new Error(`"${name}" has the state of "${before.name}"`)
          }
          const seen = (before?.seen ?? 0) + 1
          state.held.update({ name, seen, value: { key, list: [key, -0, undefined] } })
          emit({ name, seen })
        },
      })
      .sinkTo('out', fileSink({ directory, schema: Out }))
  },
)
