/**
 * Steps in event-time order, through crashes: what they give is what a plain loop over the sorted
 * input gives, at any parallelism, and nothing that was released comes again.
 */
import { expect, test } from 'vitest'
import { boundedOutOfOrderness, defineJob, int32, millis, struct, timestamp, utf8 } from 'millrace'
import { valueState } from 'millrace'
import { fileSink, fileSource, json } from 'millrace/connectors'
import { chaos, crash, expectExactlyOnce, powerLoss, runChaos } from 'millrace/testing'

const RECORDS = 1_200
const SLACK = 40
const Row = struct({ key: utf8(), n: int32(), at: timestamp() })
const Step = struct({ key: utf8(), nth: int32(), side: utf8(), n: int32(), at: timestamp() })
type Row = { readonly key: string; readonly n: number; readonly at: number }

/** Out of order by less than the slack, and with many records of one key and time. */
function rowsOf(file: number): readonly Row[] {
  return Array.from({ length: RECORDS }, (_, n) => ({
    key: `k${(n * 7 + file) % 5}`,
    n: n + file * RECORDS,
    at: 1_000 + Math.floor(n / 4) * 10 + ((n * 13 + file) % 3) * 10,
  }))
}

const LEFT = [0, 1, 2]
const RIGHT = [3, 4]
const text = (file: number): string =>
  rowsOf(file)
    .map((row) => `${JSON.stringify(row)}\n`)
    .join('')
const files = Object.fromEntries([
  ...LEFT.map((file) => [`/in/left/${file}.jsonl`, text(file)]),
  ...RIGHT.map((file) => [`/in/right/${file}.jsonl`, text(file)]),
]) as Record<string, string>

const steps = defineJob('steps', (env) => {
  env.checkpointing({ everyMs: 15 })
  const side = (name: string) =>
    env
      .fromSource(name, fileSource({ path: `/in/${name}/*`, format: json(Row) }))
      .assignTimestampsAndWatermarks('at', boundedOutOfOrderness(millis(SLACK)))
      .keyBy('key')
  const counted = side('left')
    .connect(side('right'))
    .process('count', {
      emits: Step,
      order: 'event-time',
      state: { nth: valueState(int32(), { default: 0 }) },
      onLeft({ key, n, at }, { state, emit, timers }) {
        state.nth.update(state.nth.value() + 1)
        emit({ key, nth: state.nth.value(), side: 'left', n, at })
        if (n % 50 === 0) timers.registerEventTimeTimer(at + 15)
      },
      onRight({ key, n, at }, { state, emit }) {
        state.nth.update(state.nth.value() + 1)
        emit({ key, nth: state.nth.value(), side: 'right', n, at })
      },
      onTimer(at, { key, state, emit }) {
        state.nth.update(state.nth.value() + 1)
        emit({ key, nth: state.nth.value(), side: 'timer', n: 0, at })
      },
    })
  counted.sinkTo('steps', fileSink({ directory: '/out/steps', schema: Step }))
  counted.sideOutput('late').sinkTo('late', fileSink({ directory: '/out/late', schema: Row }))
})

/** By key: records and timers by (time, records before timers, side, file, line), numbered. */
function expected(): readonly string[] {
  const came = [...LEFT, ...RIGHT].flatMap((file) =>
    rowsOf(file).map((row) => ({ ...row, side: LEFT.includes(file) ? 'left' : 'right' })),
  )
  const timers = new Map<string, { key: string; n: number; at: number; side: string }>()
  for (const { key, n, at, side } of came) {
    if (side !== 'left' || n % 50 !== 0) continue
    timers.set(`${key} ${at + 15}`, { key, n: 0, at: at + 15, side: 'timer' })
  }
  const rank = { left: 0, right: 1, timer: 2 } as Readonly<Record<string, number>>
  const all = [...came, ...timers.values()].sort(
    (left, right) => left.at - right.at || rank[left.side]! - rank[right.side]!,
  )
  const counts = new Map<string, number>()
  return all
    .map(({ key, n, at, side }) => {
      const nth = (counts.get(key) ?? 0) + 1
      counts.set(key, nth)
      return JSON.stringify({ key, nth, side, n, at })
    })
    .sort()
}

test.each([1, 2, 3])(
  'the order is that of the times, through crashes, at %i',
  async (parallelism) => {
    const result = await runChaos(steps, {
      files,
      pollMs: 10,
      parallelism,
      faults: [
        chaos.at('coordinator.written', { nth: 1 }, crash()),
        chaos.at('task.watermark', { nth: 3, life: 2 }, powerLoss()),
      ],
    })
    expectExactlyOnce(result)
    const rows = result.published['steps']!.map((row) => {
      const { key, nth, side, n, at } = JSON.parse(row) as Readonly<Record<string, unknown>>
      return JSON.stringify({ key, nth, side, n, at })
    })
    expect(rows.sort()).toEqual(expected())
    expect(result.published['late'] ?? []).toEqual([])
    expect(result.missed).toEqual([])
  },
)
