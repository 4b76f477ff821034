/** Changes of a job that its checkpoint fits, as it is or by a flag; and what is told before. */
import { describe, expect, test } from 'vitest'
import { compareJob, fitToJob } from '../engine/checkpoint/fits-job.ts'
import type { StreamEnvironment } from './index.ts'
import {
  count,
  field,
  float64,
  int32,
  list,
  listState,
  mapState,
  max,
  minutes,
  nullable,
  struct,
  sum,
  tumbling,
  utf8,
  valueState,
} from './index.ts'
import { bidsOf, clicksOf, sink } from './testing.ts'
import {
  Acc,
  byHand,
  checkpointOf,
  Counting,
  expectRefused,
  factsOf,
  fit,
  joined,
  keyed,
  ruled,
  running,
  windowed,
  type Build,
  type Given,
} from './testing/changed-jobs.ts'

describe('not refused', () => {
  test.each<[string, Build, Build, Given?]>([
    ['the same job', windowed(tumbling(minutes(60))), windowed(tumbling(minutes(60)))],
    [
      'new states, new and wider fields',
      byHand({ acc: valueState(Acc) }),
      byHand({
        acc: valueState(struct({ n: float64(), more: nullable(utf8()) })),
        b: listState(utf8()),
      }),
    ],
    [
      'another running aggregate',
      running({ n: count() }),
      running({ n: count(), x: max('price') }),
    ],
    [
      'fields of the key in another type of number',
      keyed('auction'),
      (env) =>
        bidsOf(env)
          .select({ auction: field('price'), price: field('price') })
          .keyBy('auction')
          .aggregate('counts', { n: count() }),
    ],
    [
      'the object form as a class',
      byHand({ n: valueState(int32()) }),
      (env) =>
        clicksOf(env)
          .keyBy('user')
          .process('acc', () => new Counting()),
    ],
    ['a function as another function', keyed(() => 1), keyed(() => 'a')],
    [
      'a key of a field whose type nobody knows',
      (env) =>
        bidsOf(env)
          .map((bid: unknown) => bid)
          .keyBy('auction')
          .aggregate('counts', { n: count() }),
      keyed('auction'),
    ],
    ['an added onTimer', byHand({}), byHand({}, { onTimer: () => undefined })],
    ['the same key written otherwise', keyed('auction'), keyed(() => 1), { keepState: ['counts'] }],
    ['other bounds', joined(-5, 5), joined(-5, 60), { keepState: ['pairs'] }],
    [
      'a renamed state',
      byHand({ a: valueState(int32()) }),
      byHand({ b: valueState(int32()) }),
      { renameState: { 'acc:a': 'b' } },
    ],
    [
      'two states that change names',
      byHand({ a: valueState(int32()), b: valueState(utf8()) }),
      byHand({ b: valueState(int32()), a: valueState(utf8()) }),
      { renameState: { 'acc:a': 'b', 'acc:b': 'a' } },
    ],
    [
      'a renamed field',
      byHand({ a: valueState(struct({ pages: list(struct({ url: utf8() })) })) }),
      byHand({ a: valueState(struct({ pages: list(struct({ path: utf8() })) })) }),
      { renameState: { 'acc:a.pages[].url': 'path' } },
    ],
    [
      'a renamed aggregate',
      running({ n: count(), a: sum('price') }),
      running({ n: count(), b: sum('price') }),
      { renameState: { 'totals:a': 'b' } },
    ],
    [
      'a renamed broadcast state',
      ruled({ rules: mapState(utf8(), int32()) }),
      ruled({ laws: mapState(utf8(), int32()) }),
      { renameState: { 'ruled:rules': 'laws' } },
    ],
  ])('%s', (_, before, after, given) => {
    const found = fit(before, after, given)
    expect(found instanceof Error ? found.message : undefined).toBeUndefined()
  })

  test('a checkpoint of 0.1 does not say its keys and settings: they are not compared', () => {
    const checkpoint = checkpointOf(keyed('auction'))
    const operators = checkpoint.operators.map(({ declared, ...operator }) => {
      expect(declared).toBeDefined()
      return operator
    })
    const options = { dropState: [], renameUid: {} }
    const old = { ...checkpoint, operators }
    expect(fitToJob(old, factsOf(keyed(() => 1)), options).operators).toHaveLength(1)
  })
})

test('a state is not renamed to one that is there, nor an aggregate to one of another kind', () => {
  const two = { a: valueState(int32()), b: valueState(int32()) }
  expectRefused(
    fit(byHand(two), byHand({ b: valueState(int32()) }), { renameState: { 'acc:a': 'b' } }),
    'USAGE',
    /has a state "b" of "acc" already/,
    /--drop-state acc:b/,
  )
  const dropped = { renameState: { 'acc:a': 'b' }, dropState: ['acc:b'] }
  expect(fit(byHand(two), byHand({ b: valueState(int32()) }), dropped)).not.toBeInstanceOf(Error)
  expectRefused(
    fit(running({ n: count(), a: sum('price') }), running({ n: count(), b: max('price') }), {
      renameState: { 'totals:a': 'b' },
    }),
    'STATE_SCHEMA_CHANGED',
    /the aggregate "a" of "totals": sum .* now max/,
    /--drop-state/,
  )
})

test('what becomes of each step and state can be told before', () => {
  const before = byHand({ a: valueState(int32()), b: valueState(int32()), c: valueState(int32()) })
  const after: Build = (env) => {
    byHand({ a: valueState(int32()), x: valueState(int32()), d: listState(utf8()) })(env)
      .keyBy('url')
      .aggregate('more', { n: count() })
      .sinkTo('second', sink())
    return clicksOf({
      fromSource: (_: string, ...rest: [never]) => env.fromSource('other', ...rest),
    } as unknown as StreamEnvironment)
  }
  const { findings } = compareJob(checkpointOf(before), factsOf(after), {
    dropState: ['acc:c'],
    renameUid: {},
    renameState: { 'acc:b': 'x' },
  })
  expect(findings.map(({ uid, part, verdict }) => [uid, part, verdict])).toEqual([
    ['acc', 'state "a"', 'kept'],
    ['acc', 'state "b"', 'renamed'],
    ['acc', 'state "c"', 'dropped'],
    ['acc', 'state "d"', 'added'],
    ['clicks', '', 'added'],
    ['other', '', 'added'],
    ['more', '', 'added'],
    ['second', '', 'added'],
    ['out', '', 'added'],
  ])
})
