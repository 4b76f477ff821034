/** A keyed input with a broadcast one, in event-time order. */
import { expect, test } from 'vitest'
import type { KeySelector } from '../../engine/stream/keys.ts'
import type { MapState } from '../../engine/state/state.ts'
import type { OperatorSubject } from '../../engine/testing/operator-host.ts'
import type { ProcessScope } from './process-context.ts'
import { RecordBatch } from '../../engine/stream/record-batch.ts'
import { OperatorHost } from '../../engine/testing/operator-host.ts'
import { end, record, side, verifyOperator, watermark } from '../../engine/testing/index.ts'
import { createBroadcastProcess } from './factories.ts'

interface Click {
  readonly user: string
  readonly n: number
}
interface Rule {
  readonly name: string
  readonly limit: number
}
const byUser: KeySelector = { type: 'field', field: 'user' }
const click = (user: string, n: number): Click => ({ user, n })
const rule = (name: string, limit: number): Rule => ({ name, limit })

type Rules = { readonly broadcast: { readonly rules: MapState<string, number> } }
type Context = ProcessScope & Rules

const seen = ({ rules }: Rules['broadcast']): string =>
  [...rules.entries()].map(([name, limit]) => `${name}=${limit}`).join(' ')

const definition = {
  onRecord({ n }: Click, { broadcast, emit, timers, timestampMs }: Context) {
    emit({ n, rules: seen(broadcast) })
    timers!.registerEventTimeTimer(timestampMs + 15)
  },
  onTimer(atMs: number, { broadcast, emit }: Context) {
    emit({ atMs, rules: seen(broadcast) })
  },
  onBroadcast({ name, limit }: Rule, { broadcast: { rules } }: Rules) {
    if (limit === 0) rules.remove(name)
    else rules.put(name, limit)
  },
}

function withRules(more: object = {}): OperatorSubject {
  const rules = { type: 'map', name: 'rules', key: { kind: 'utf8' }, value: { kind: 'int32' } }
  const factory = createBroadcastProcess({
    key: byUser,
    order: 'event-time',
    schema: undefined,
    broadcastSchema: undefined,
    sides: [],
    states: {},
    broadcast: { rules } as never,
    definition: { ...definition, ...more },
  })
  return { ...factory, keys: [byUser, undefined], order: 'event-time' }
}

/** Rules come in their order: `BroadcastOrderOperator` stands before the step. */
const rules = [
  record(rule('a', 1), 10, 1),
  record(rule('b', 2), 20, 1),
  record(rule('a', 0), 20, 1),
  record(rule('a', 3), 30, 1),
]
const clicks = [record(click('u', 1), 9), record(click('u', 3), 20), record(click('v', 2), 10)]
const rows = [
  record({ n: 1, rules: '' }, 9),
  record({ n: 2, rules: 'a=1' }, 10),
  record({ n: 3, rules: 'b=2' }, 20),
  record({ atMs: 24, rules: 'b=2' }, 24),
  record({ atMs: 25, rules: 'b=2' }, 25),
  record({ atMs: 35, rules: 'b=2 a=3' }, 35),
]

test('a record and a timer see the rules up to their time, whichever input is faster', () => {
  for (const elements of [
    [...rules, ...clicks],
    [...clicks, ...rules],
    [rules[0]!, ...clicks, ...rules.slice(1)],
  ]) {
    verifyOperator(withRules())
      .input(...elements, end())
      .expect(...rows, end())
  }
})

test('rules are applied by the watermark; a late record of the keyed input goes aside', () => {
  verifyOperator(withRules())
    .input(
      ...rules,
      watermark(19),
      record(click('u', 1), 19),
      record(click('u', 2), 20),
      watermark(20),
      record(click('v', 3), 29),
      watermark(29),
      end(),
    )
    .expect(
      watermark(19),
      side('late', click('u', 1), 19),
      record({ n: 2, rules: 'b=2' }, 20),
      watermark(20),
      record({ n: 3, rules: 'b=2' }, 29),
      watermark(29),
      record({ atMs: 35, rules: 'b=2 a=3' }, 35),
      record({ atMs: 44, rules: 'b=2 a=3' }, 44),
      end(),
    )
})

test('a rule whose time has passed already is applied at once, as in every other subtask', () => {
  verifyOperator(withRules())
    .input(watermark(50), record(rule('a', 1), 40, 1), record(click('u', 1), 51), end())
    .expect(
      watermark(50),
      record({ n: 1, rules: 'a=1' }, 51),
      record({ atMs: 66, rules: 'a=1' }, 66),
      end(),
    )
})

/** Subtasks of `parallelism`, restored from `before`; those that a row's key belongs to get it. */
function hosts(parallelism: number, before: readonly OperatorHost[] = []): OperatorHost[] {
  const restored = before.map((host) => host.snapshot())
  return Array.from({ length: parallelism }, (_, subtask) => {
    return new OperatorHost(withRules(), { subtask, parallelism, creditBatches: 1, restored })
  })
}

function send(to: readonly OperatorHost[], row: Click | Rule, ms: number): void {
  const input = 'user' in row ? 0 : 1
  for (const host of to) {
    if (host.takes(row, input))
      host.processBatch(RecordBatch.ofRows([row], Float64Array.of(ms)), input)
  }
}

const users = ['u', 'v', 'w', 'x', 'y', 'z']

test.each([1, 2, 3])(
  'from subtasks of different watermarks %i go on at the least: nothing on time is late',
  (parallelism) => {
    const before = hosts(2)
    for (const ms of [10, 20, 30, 40, 50, 60]) send(before, rule('r', ms), ms)
    for (const [n, user] of users.entries()) send(before, click(user, n), 25)
    before[0]!.advanceWatermark(52) // An idle input came back; this subtask did not wait for it.
    before[1]!.advanceWatermark(22)
    const slow = users.filter((user) => before[1]!.takes(click(user, 0), 0))
    const after = hosts(parallelism, before)
    for (const user of slow) send(after, click(user, 100), 35)
    for (const host of after) host.advanceWatermark(70)
    const results = after.flatMap((host) => host.results)
    const texts = results
      .flatMap((result) => (result.type === 'record' && result.side === undefined ? [result] : []))
      .map(({ value }) => JSON.stringify(value))
      .filter((text) => text.startsWith('{"n"'))
    const wanted = slow.flatMap((user) => [
      JSON.stringify({ n: users.indexOf(user), rules: 'r=20' }),
      JSON.stringify({ n: 100, rules: 'r=30' }),
    ])
    expect(slow.length).toBeGreaterThan(1)
    expect(slow.length).toBeLessThan(users.length)
    expect(texts.sort()).toEqual(wanted.sort())
    expect(results.filter((result) => result.type === 'record' && result.side === 'late')).toEqual(
      [],
    )
  },
)

test('an error of onBroadcast says where its record stands, though it has waited', () => {
  const throws = withRules({
    onBroadcast() {
      throw new TypeError('no')
    },
  })
  const options = { subtask: 0, parallelism: 1, creditBatches: 1, restored: [] }
  const host = new OperatorHost(throws, options)
  const [times, offsets] = [Float64Array.of(5), Float64Array.of(12)]
  const batch = new RecordBatch(1, [rule('a', 1)], undefined, times, undefined, 3, offsets)
  host.processBatch(batch, 1)
  expect(() => {
    host.advanceWatermark(5)
  }).toThrow(
    expect.objectContaining({
      place: expect.objectContaining({ splitIndex: 3, offset: 12 }) as object,
    }) as Error,
  )
})

test('the keyed side cannot write the rules, and an async onBroadcast is refused', () => {
  const writes = withRules({
    onRecord(_: Click, { broadcast }: Context) {
      broadcast.rules.put('a', 1)
    },
  })
  const run = (subject: OperatorSubject) => (): void => {
    verifyOperator(subject)
      .input(record(rule('a', 1), 1, 1), record(click('u', 1), 1), end())
      .expect()
  }
  expect(run(writes)).toThrow('put is not a function')
  expect(run(withRules({ onBroadcast: () => Promise.resolve() }))).toThrow('returned a promise')
})
