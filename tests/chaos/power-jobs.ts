/** The jobs of the searches on the disk, each with what it must have published at the end. */
import {
  boundedOutOfOrderness,
  count,
  defineJob,
  field,
  int32,
  listState,
  mapState,
  millis,
  monotonous,
  struct,
  sum,
  timestamp,
  tumbling,
  utf8,
  valueState,
} from 'millrace'
import { fileSink, generatorSource } from 'millrace/connectors'

const START_MS = Date.UTC(2026, 0, 1)

const Total = struct({ user: utf8(), start: timestamp(), events: int32(), amount: int32() })
const Line = struct({ user: utf8(), nth: int32(), recent: int32() })
const Rule = struct({ number: int32(), at: timestamp() })

export interface Row {
  readonly id: number
  readonly user: string
  readonly amount: number
  readonly at: number
}

/** Windows and a count of each user, all the way to a file sink: small, with every part in it. */
const WINDOWED_ROWS = 240
const WINDOW_MS = 100

function windowedRow(id: number): Row {
  return { id, user: `u${(id * 7) % 11}`, amount: id % 13, at: START_MS + id * 5 - ((id * 3) % 7) }
}

export const windowed = defineJob('windowed', (env) => {
  env.checkpointing({ everyMs: 12, tolerableFailures: 1_000, retain: 2 })
  env
    .fromSource(
      'rows',
      generatorSource({ records: WINDOWED_ROWS, perSecond: 5_000, generate: windowedRow }),
    )
    .assignTimestampsAndWatermarks('at', boundedOutOfOrderness(millis(20)))
    .keyBy('user')
    .window(tumbling(millis(WINDOW_MS)))
    .aggregate('totals', { events: count(), amount: sum('amount') })
    .select({
      user: field('user'),
      start: field('windowStart'),
      events: field('events'),
      amount: field('amount'),
    })
    .sinkTo('out', fileSink({ directory: '/out', schema: Total }))
})

export const windowedOutput: readonly string[] = totalsOf(WINDOWED_ROWS)

function totalsOf(rows: number): readonly string[] {
  const totals = new Map<string, { user: string; start: number; events: number; amount: number }>()
  for (let id = 0; id < rows; id += 1) {
    const { user, amount, at } = windowedRow(id)
    const start = at - (at % WINDOW_MS)
    const total = totals.get(`${user} ${start}`) ?? { user, start, events: 0, amount: 0 }
    total.events += 1
    total.amount += amount
    totals.set(`${user} ${start}`, total)
  }
  return [...totals.values()].map((total) => JSON.stringify(total)).sort()
}

/**
 * Every kind of state: values, lists, maps, timers of event and of processing time, broadcast state
 * and windows. Many keys at first and few later, so that chains gather deltas.
 */
const EVERYTHING_ROWS = 3_200
/** The source reads its sixteen splits side by side: all of them begin with keys of their own. */
const SPLIT_ROWS = EVERYTHING_ROWS / 16
const OWN = 40

function everyRow(id: number): Row {
  const user = id % SPLIT_ROWS < OWN ? `own-${id}` : `few-${id % 9}`
  return { id, user, amount: id % 17, at: START_MS + id }
}

export const everything = defineJob('everything', (env) => {
  env.checkpointing({ everyMs: 20, tolerableFailures: 1_000, retain: 2 })
  const rules = env
    .fromSource(
      'rules',
      generatorSource({
        records: 20,
        perSecond: 200,
        generate: (number) => ({ number, at: START_MS + number }),
      }),
    )
    .assignTimestampsAndWatermarks('at', monotonous())
    .broadcast()
  const rows = env
    .fromSource(
      'rows',
      generatorSource({ records: EVERYTHING_ROWS, perSecond: 32_000, generate: everyRow }),
    )
    .assignTimestampsAndWatermarks('at', boundedOutOfOrderness(millis(5)))
  rows
    .keyBy('user')
    .connect(rules)
    .process('each', {
      emits: Line,
      broadcast: { rules: mapState(timestamp(), Rule) },
      state: {
        seen: valueState(int32()),
        recent: listState(int32()),
        byAmount: mapState(int32(), int32()),
      },
      onRecord({ id, user, amount, at }, { state, timers, emit }) {
        const nth = (state.seen.value() ?? 0) + 1
        state.seen.update(nth)
        state.recent.update([...state.recent.get(), id].slice(-3))
        state.byAmount.put(amount, id)
        if (nth % 4 === 0) state.byAmount.remove(amount)
        if (nth % 20 === 1) timers.registerEventTimeTimer(at + 300)
        if (nth === 1) timers.registerProcessingTimeTimer(8.64e15)
        emit({ user, nth, recent: state.recent.get().length })
      },
      onTimer: () => undefined,
      onBroadcast: (rule, { broadcast }) => broadcast.rules.put(rule.at, rule),
    })
    .sinkTo('lines', fileSink({ directory: '/lines', schema: Line }))
  rows
    .keyBy('user')
    .window(tumbling(millis(500)))
    .aggregate('totals', { events: count(), amount: sum('amount') })
    .select({
      user: field('user'),
      start: field('windowStart'),
      events: field('events'),
      amount: field('amount'),
    })
    .sinkTo('out', fileSink({ directory: '/out', schema: Total }))
})

/** Rows of `/lines`: the first, second, … row of each user, whichever comes first. */
export const everythingLines: readonly string[] = linesOf()

function linesOf(): readonly string[] {
  const seen = new Map<string, number>()
  const lines: string[] = []
  for (let id = 0; id < EVERYTHING_ROWS; id += 1) {
    const { user } = everyRow(id)
    const nth = (seen.get(user) ?? 0) + 1
    seen.set(user, nth)
    lines.push(JSON.stringify({ user, nth, recent: Math.min(nth, 3) }))
  }
  return lines.sort()
}
