/** What `explain` says of each step, as text and as a picture. */
import { expect, test } from 'vitest'
import { toJobGraph } from '../engine/graph/chaining.ts'
import { explainSvg } from '../engine/graph/explain-svg.ts'
import { explainText } from '../engine/graph/explain.ts'
import { spanText } from '../engine/graph/step-words.ts'
import { sinkOf } from '../engine/operator/sink.ts'
import { sourceOf } from '../engine/operator/source.ts'
import {
  boundedOutOfOrderness,
  count,
  days,
  field,
  int32,
  mapState,
  minutes,
  monotonous,
  seconds,
  session,
  sliding,
  sum,
  tumbling,
  valueState,
  type StreamEnvironment,
} from './index.ts'
import { Bid, graphOf, sink, source, type Loose } from './testing.ts'

const FILES = { path: './bids/*.csv', format: 'csv', watch: true, seed: null }
const TABLE = sinkOf({
  ...(sink() as object),
  kind: 'table',
  parameters: { directory: './out' },
} as never)

function bids(env: StreamEnvironment, uid: string): Loose {
  const given = { ...source(Bid), kind: 'files', parameters: FILES }
  return env.fromSource(uid, sourceOf(given)) as unknown as Loose
}

/** Every kind of step, its numbers, and a key of each sort. */
function everything(env: StreamEnvironment): void {
  const timed = bids(env, 'bids').assignTimestampsAndWatermarks(
    'at',
    boundedOutOfOrderness(seconds(30)).withIdleness(minutes(1)),
  )
  const state = { seen: valueState(int32(), { default: 0 }) }
  const onRecord = (): void => undefined
  timed
    .where(field('price').gt(2).and(field('auction').isNull().not()))
    .keyBy(['auction', 'big'])
    .window(tumbling(days(1), { timeZone: 'Europe/Vienna' }))
    .allowedLateness(minutes(90))
    .aggregate('per-day', { n: count(), worth: sum(field('price').times(0.5)) })
    .sinkTo('table', TABLE)
  timed
    .keyBy('auction')
    .window(sliding(minutes(10), minutes(1)))
    .aggregate('moving', { n: count() })
    .topN('best', { n: 3, by: 'n' })
    .pick('n')
    .parallelism(1)
    .sinkTo('few', TABLE)
  const keyed = timed.keyBy((bid: { auction: number }) => bid.auction)
  keyed
    .window(session(seconds(90)))
    .aggregate('sessions', { n: count() })
    .sinkTo('s', TABLE)
  keyed.process('visits', { emits: Bid, state, onRecord }).sinkTo('v', TABLE)
  bids(env, 'others')
    .assignTimestampsAndWatermarks('at', monotonous())
    .keyBy('auction')
    .intervalJoin(
      'pairs',
      timed.keyBy('auction'),
      { lower: minutes(-5), upper: seconds(90) },
      (left: object) => left,
    )
    .sinkTo('p', TABLE)
}

test('each step says what it does, what it keeps, and why it is chained or not', () => {
  const text = explainText(toJobGraph(graphOf(everything), 2), 2)
  const told = text.split('\n').map((line) => line.trim().replace(/ {2}\(.*:\d+\)$/, ''))
  const after = (title: string): readonly string[] => {
    const at = told.findIndex((line) => line.replace('└ ', '') === title)
    const rest = told.slice(at + 1)
    return rest.slice(
      0,
      rest.findIndex((line) => /^(└|→|$)/.test(line)),
    )
  }
  const straight = 'records go straight on, with the same parallelism and one input'
  expect(after('bids: source')).toEqual(['reads files ./bids/*.csv, format csv, watch'])
  expect(after('watermarks-1: watermarks')).toEqual([
    'event time is "at"',
    'records up to 30 s out of order, a split is idle after 1 min',
    `chained to bids: ${straight}`,
  ])
  expect(after('where-2: where')).toEqual([
    'keeps records with (price > 2 and not auction null)',
    `chained to watermarks-1: ${straight}`,
  ])
  expect(after('per-day: window-aggregate')).toEqual([
    'by keys "auction", "big"',
    'windows of 1 d in Europe/Vienna',
    'late records change it for 1 h 30 min',
    'n = count, worth = sum of price × 0.5',
    'state: open windows',
    'not chained to where-2: records are exchanged by keys "auction", "big"',
  ])
  expect(after('best: top-n')[0]).toBe('the 3 best by "n", descending')
  expect(after('best: top-n')[1]).toBe('state: the best rows of open windows')
  expect(after('table: sink')).toEqual(['writes table ./out', `chained to per-day: ${straight}`])
  expect(after('moving: window-aggregate')[1]).toBe('windows of 10 min every 1 min')
  expect(told).toContain(
    'not chained to best: parallelism changes from 2 to 1: records go round robin',
  )
  expect(after('sessions: window-aggregate')).toEqual([
    'by a key by function',
    'sessions that end after 1 min 30 s of silence',
    'n = count',
    'state: open sessions',
    'not chained to watermarks-1: records are exchanged by a key by function',
  ])
  expect(after('visits: keyed-process')).toContain('state: seen (value)')
  expect(after('pairs: interval-join').slice(0, 3)).toEqual([
    'by key "auction" and key "auction"',
    'right time less left time from -5 min to 1 min 30 s',
    'state: records of both sides',
  ])
  expect(text).not.toMatch(/slice|undefined|\[object|[0-9a-f]{16}/)
})

test('the picture says the same, in boxes of its width', () => {
  const svg = explainSvg(toJobGraph(graphOf(everything), 2))
  for (const word of [
    'windows of 10 min every 1 min',
    'state: open sessions',
    'task 0, 2 subtasks',
  ]) {
    expect(svg).toContain(word)
  }
  expect(svg).toContain('by key &quot;auction&quot;')
  expect(svg).toContain('2 to 1 subtasks')
  const lines = [...svg.matchAll(/<text[^>]*fill="#(?:123|345)"[^>]*>([^<]*)</g)]
  const shown = lines.map(([, text]) => text!.replaceAll(/&\w+;/g, '"'))
  expect(Math.max(...shown.map((text) => text.length))).toBeLessThanOrEqual(50)
})

/** A window, its late records, and a join of the window with the records themselves. */
function skipping(env: StreamEnvironment): void {
  const parameters = { rowGroupRows: 65_536, fileBytesMax: 2 ** 28, partitionBy: 'none' }
  const wordy = sinkOf({ ...(sink() as object), kind: 'table', parameters } as never)
  const timed = bids(env, 'bids').assignTimestampsAndWatermarks('at', monotonous())
  const counted = timed
    .keyBy('auction')
    .window(tumbling(minutes(1)))
    .aggregate('n', { n: count() })
  counted.sinkTo('out', wordy)
  counted.sideOutput('late').sinkTo('too-late', TABLE)
  const bounds = { lower: minutes(-5), upper: minutes(5) }
  counted
    .keyBy('auction')
    .intervalJoin('pairs', timed.keyBy('auction'), bounds, (left: object) => left)
    .sinkTo('joined', TABLE)
}

test('an arrow to a column further on passes below the boxes between', () => {
  const svg = explainSvg(toJobGraph(graphOf(skipping), 2))
  const boxes = [...svg.matchAll(/<rect x="(\d+)" y="(\d+)" width="330" height="(\d+)"/g)]
  const [between] = boxes.filter(([, x]) => x === '524')
  const [, , y, height] = between!.map(Number)
  const lanes = [...svg.matchAll(/ 524 ([\d.]+)L854 ([\d.]+)C/g)].map(([, from, to]) => [from, to])
  expect(lanes).toHaveLength(1)
  for (const at of lanes[0]!) expect(Number(at)).toBeGreaterThan(y! + height!)
  expect(Number(/<svg[^>]* height="(\d+)"/.exec(svg)![1])).toBeGreaterThan(Number(lanes[0]![0]))
})

test('a chained step says what it takes where that is not the step above; options are in words', () => {
  const svg = explainSvg(toJobGraph(graphOf(skipping), 2))
  expect(svg).toContain('takes &quot;late&quot; of n<')
  expect(svg).toContain('row groups of 65,536 rows, files of')
  expect(svg).not.toMatch(/partition|fileBytesMax/)
})

test('a span of time is exact', () => {
  expect([0, 1, 999, 90_000, 86_400_000, 3_600_001, -1_500].map(spanText)).toEqual([
    ...['0 ms', '1 ms', '999 ms', '1 min 30 s', '1 d', '1 h 1 ms', '-1 s 500 ms'],
  ])
})

test('a process function over keys says in which order it gets its records', () => {
  const said = (order: object): readonly string[] => {
    const graph = graphOf((env) => {
      const keyed = bids(env, 'bids').assignTimestampsAndWatermarks('at', monotonous())
      const emits = { emits: Bid, onRecord: () => undefined, onTimer: () => undefined }
      keyed
        .keyBy('auction')
        .process('p', { ...emits, ...order })
        .sinkTo('out', TABLE)
    })
    const lines = explainText(toJobGraph(graph, 1), 1).split('\n')
    return lines.map((line) => line.trim()).filter((line) => /records come|has timers/.test(line))
  }
  expect(said({})).toEqual(['has timers', 'records come in order of arrival'])
  expect(said({ order: 'event-time' })).toEqual(['has timers', 'records come in event-time order'])
})

test('a broadcast stream is brought into event-time order by a step of its own', () => {
  const graph = graphOf((env) => {
    const rules = bids(env, 'rules').assignTimestampsAndWatermarks('at', monotonous())
    bids(env, 'bids')
      .assignTimestampsAndWatermarks('at', monotonous())
      .keyBy('auction')
      .connect(rules.broadcast())
      .process('check', {
        emits: Bid,
        order: 'event-time',
        broadcast: { rules: mapState(int32(), Bid) },
        onRecord: () => undefined,
        onBroadcast: () => undefined,
      })
      .sinkTo('out', TABLE)
  })
  const lines = explainText(toJobGraph(graph, 2), 2).split('\n')
  const told = lines.map((line) => line.trim().replace(/ {2}\(.*:\d+\)$/, ''))
  const at = told.indexOf('check.broadcast: broadcast-order')
  expect(told.slice(at - 1, at + 3)).toEqual([
    'task 3, 1 subtask',
    'check.broadcast: broadcast-order',
    'gives the copies of all subtasks one order',
    'records come in event-time order',
  ])
  const step = told.slice(told.indexOf('check: broadcast-process'))
  expect(step.slice(3, 5)).toEqual([
    'each subtask has a copy of rules',
    'records come in event-time order',
  ])
})
