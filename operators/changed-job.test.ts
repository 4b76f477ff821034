/**
 * A job before and after a change, and what becomes of the state that a checkpoint of the first one
 * holds: real plans, compared as a start compares them.
 */
import { describe, expect, test } from 'vitest'
import type { StreamError } from '../engine/base/errors.ts'
import { compareJob } from '../engine/checkpoint/fits-job.ts'
import type { CheckpointManifest } from '../engine/checkpoint/manifest.ts'
import {
  aggregateFunction,
  average,
  boundedOutOfOrderness,
  count,
  countDistinct,
  field,
  float64,
  int32,
  list,
  listState,
  mapState,
  max,
  minutes,
  nullable,
  seconds,
  session,
  sliding,
  struct,
  sum,
  tumbling,
  utf8,
  valueState,
} from './index.ts'
import { bidsOf, clicksOf } from './testing.ts'
import {
  Acc,
  byHand,
  checkpointOf,
  expectRefused,
  factsOf,
  fit,
  flagsOf,
  joined,
  keyed,
  ranked,
  ruled,
  running,
  windowed,
  type Build,
  type Given,
} from './testing/changed-jobs.ts'

const NO_FLAGS = { dropState: [], renameUid: {} }
/** Names that only the engine has, and forms of plans. */
const INNER = /latest slice|earlier slices|sessions\[|accumulator|\{\\*"(?:type|kind)/

/** An aggregate of the job's own that keeps one number. */
const own = (name: string): object =>
  aggregateFunction({
    accumulator: struct({ [name]: float64() }),
    result: float64(),
    create: () => ({ [name]: 0 }),
    add: (kept: unknown) => kept,
    merge: (kept: unknown) => kept,
    getResult: () => 0,
  })

/** The latest record of each window; its `url` is that field. */
const reduced =
  (url: string): Build =>
  (env) =>
    clicksOf(env)
      .select({ user: field('user'), url: field(url), at: field('at') })
      .assignTimestampsAndWatermarks('at', boundedOutOfOrderness(seconds(1)))
      .keyBy('user')
      .window(session(minutes(5)))
      .reduce('hourly', (_: unknown, right: unknown) => right)

describe('refused, with hints that work', () => {
  const changes: readonly (readonly [string, Build, Build, string, RegExp])[] = [
    [
      'a state is renamed',
      byHand({ acc: valueState(Acc) }),
      byHand({ accu: valueState(struct({ n: int32(), total: nullable(int32()) })) }),
      'STATE_NOT_DECLARED',
      /^checkpoint 1\.2 holds state "acc" of "acc", valueState\(struct\(\{ n: int32\(\) \}\)\), which .* it declares "accu", valueState\(struct\(\{ n: int32\(\), total: nullable\(int32\(\)\) \}\)\)$/,
    ],
    [
      'a state is removed',
      byHand({ a: valueState(int32()), b: listState(utf8()) }),
      byHand({ a: valueState(int32()) }),
      'STATE_NOT_DECLARED',
      /state "b" of "acc", listState\(utf8\(\)\), .* declares no new state$/,
    ],
    [
      'a state with an odd name is removed',
      byHand({ 'it\'s "a" b': mapState(utf8(), int32()) }),
      byHand({}),
      'STATE_NOT_DECLARED',
      /mapState\(utf8\(\), int32\(\)\)/,
    ],
    [
      'a state is of another type',
      byHand({ acc: valueState(int32()) }),
      byHand({ acc: valueState(utf8()) }),
      'STATE_SCHEMA_CHANGED',
      /"acc"\.acc was int32 in checkpoint 1\.2, now utf8/,
    ],
    [
      'a state is of another kind',
      byHand({ acc: valueState(int32()) }),
      byHand({ acc: listState(int32()) }),
      'STATE_SCHEMA_CHANGED',
      /was value state in checkpoint 1\.2, now list state/,
    ],
    [
      'a field of a state is renamed',
      byHand({ acc: valueState(struct({ pages: list(struct({ url: utf8() })) })) }),
      byHand({ acc: valueState(struct({ pages: list(struct({ path: nullable(utf8()) })) })) }),
      'STATE_NOT_DECLARED',
      /holds "acc\.pages\[\]\.url" of "acc"/,
    ],
    [
      'onTimer is removed',
      byHand({ a: valueState(int32()) }, { onTimer: () => undefined }),
      byHand({ a: valueState(int32()) }),
      'STATE_NOT_DECLARED',
      /holds timers of "acc", which has no onTimer/,
    ],
    [
      'the step is of another kind',
      (env) => clicksOf(env).keyBy('user').aggregate('acc', { n: count() }),
      byHand({ n: valueState(int32()) }),
      'STATE_SCHEMA_CHANGED',
      /of kind aggregate in checkpoint 1\.2, now keyed-process/,
    ],
    [
      'the key is a function now',
      keyed('auction'),
      keyed((bid: { auction: number }) => String(bid.auction)),
      'STATE_KEY_CHANGED',
      /^"counts" was keyed by "auction" \(a number\) in checkpoint 1\.2, now by a function/,
    ],
    ['the key is another field', keyed('auction'), keyed('price'), 'STATE_KEY_CHANGED', /"price"/],
    [
      'the key is a list of the same field',
      keyed('auction'),
      keyed(['auction']),
      'STATE_KEY_CHANGED',
      /\["auction" \(a number\)\]/,
    ],
    [
      'the fields of the key change places',
      keyed(['auction', 'price']),
      keyed(['price', 'auction']),
      'STATE_KEY_CHANGED',
      /keyed by \["auction"/,
    ],
    [
      'the key is of another type',
      keyed('auction'),
      (env) =>
        bidsOf(env)
          .select({ auction: field('big'), price: field('price') })
          .keyBy('auction')
          .aggregate('counts', { n: count() }),
      'STATE_KEY_CHANGED',
      /"auction" \(a number\) in checkpoint 1\.2, now by "auction" \(a bigint\)/,
    ],
    [
      'windows are of another size',
      windowed(tumbling(minutes(60))),
      windowed(tumbling(minutes(30))),
      'STATE_SCHEMA_CHANGED',
      /the windows of "hourly": windows of 1 h in checkpoint 1\.2, now windows of 30 min/,
    ],
    [
      'windows slide now',
      windowed(tumbling(minutes(60))),
      windowed(sliding(minutes(60), minutes(10))),
      'STATE_SCHEMA_CHANGED',
      /now windows of 1 h every 10 min/,
    ],
    [
      'windows are sessions now',
      windowed(tumbling(minutes(60))),
      windowed(session(minutes(60))),
      'STATE_SCHEMA_CHANGED',
      /now .*session/,
    ],
    [
      'a running sum is a maximum now',
      running({ cents: sum('price') }),
      running({ cents: max('price') }),
      'STATE_SCHEMA_CHANGED',
      /the aggregate "cents" of "totals": sum of price in checkpoint 1\.2, now max of price/,
    ],
    [
      'a running sum is of another field',
      running({ cents: sum('price') }),
      running({ cents: sum('auction') }),
      'STATE_SCHEMA_CHANGED',
      /sum of price .* now sum of auction/,
    ],
    [
      'the only aggregate of a window has another name and field',
      windowed(session(minutes(5)), { n: max('price') }),
      windowed(session(minutes(5)), { m: max('auction') }),
      'STATE_SCHEMA_CHANGED',
      /the aggregate "n" of "hourly": max of price in checkpoint 1\.2, now max of auction/,
    ],
    [
      'the only aggregate of a window becomes two that keep the same',
      windowed(tumbling(minutes(60)), { n: average('price') }),
      windowed(tumbling(minutes(60)), { sum: sum('auction'), count: count() }),
      'STATE_SCHEMA_CHANGED',
      /the aggregates of "hourly": "n" in checkpoint 1\.2, now "sum", "count"/,
    ],
    [
      'the only aggregate of a window gets another beside it',
      windowed(tumbling(minutes(60)), { n: count() }),
      windowed(tumbling(minutes(60)), { n: count(), top: max('price') }),
      'STATE_SCHEMA_CHANGED',
      /the aggregates of "hourly": "n" in checkpoint 1\.2, now "n", "top"/,
    ],
    [
      'an aggregate of the job’s own keeps another field',
      running({ own: own('total') }),
      running({ own: own('amount') }),
      'STATE_SCHEMA_CHANGED',
      /the aggregate "own" of "totals": function over total in .* now function over amount/,
    ],
    [
      'records that a window keeps have a field of another type',
      reduced('url'),
      reduced('at'),
      'STATE_SCHEMA_CHANGED',
      /"hourly" keeps records whose "url" was utf8 in checkpoint 1\.2, now timestamp/,
    ],
    [
      'a running aggregate has gone',
      running({ n: count(), mean: average('price') }),
      running({ n: count() }),
      'STATE_NOT_DECLARED',
      /holds the aggregate "mean" of "totals", which the step does not declare any more$/,
    ],
    [
      'a running distinct count is a count now',
      running({ n: countDistinct('price') }),
      running({ n: count() }),
      'STATE_SCHEMA_CHANGED',
      /countDistinct/,
    ],
    [
      'an aggregate of windows has gone',
      windowed(tumbling(minutes(60)), { n: count(), top: max('price'), all: sum('price') }),
      windowed(tumbling(minutes(60)), { n: count(), all: sum('price') }),
      'STATE_NOT_DECLARED',
      /holds "top" of "hourly", which the step does not declare any more$/,
    ],
    [
      'the sum of a window is a maximum now',
      windowed(tumbling(minutes(60)), { n: count(), all: sum('price') }),
      windowed(tumbling(minutes(60)), { n: count(), all: sum('auction') }),
      'STATE_SCHEMA_CHANGED',
      /the aggregate "all" of "hourly"/,
    ],
    [
      'the bounds of a join are wider',
      joined(-5, 5),
      joined(-5, 60),
      'STATE_SCHEMA_CHANGED',
      /the upper bound of "pairs"/,
    ],
    [
      'the ranked field is another',
      ranked('n'),
      ranked('top'),
      'STATE_SCHEMA_CHANGED',
      /the ranked field of "best"/,
    ],
    [
      'a broadcast state is renamed',
      ruled({ rules: mapState(utf8(), int32()) }),
      ruled({ laws: mapState(utf8(), int32()) }),
      'STATE_NOT_DECLARED',
      /state "rules" of "ruled".* declares "laws"/,
    ],
  ]

  test.each(changes)('%s', (_, before, after, code, message) => {
    const found = fit(before, after)
    expectRefused(found, code, message, /knowingly with|knowingly, use/)
    const { place, hint, message: told } = found as StreamError
    expect(place.operator).toMatch(/acc|counts|hourly|totals|pairs|best|ruled/)
    // A user knows the states and aggregates of the job, not those that hold them here.
    const { findings } = compareJob(checkpointOf(before), factsOf(after), NO_FLAGS)
    expect(JSON.stringify([told, hint, findings])).not.toMatch(INNER)
    // Each flag that the hint names mends this one: what is refused next, if anything, is another.
    const flags = flagsOf(hint!)
    expect(flags.length).toBeGreaterThan(0)
    const again = flags.map((given) => fit(before, after, given))
    for (const result of again) {
      expect((result as Partial<StreamError>).message).not.toBe((found as StreamError).message)
    }
    // And once all that is named is given, the checkpoint fits.
    expectFits(before, after)
  })

  /** Follows hints, each time the last flag of the hint, until nothing is refused. */
  function expectFits(before: Build, after: Build): void {
    let given: Given = {}
    for (let step = 0; step < 9; step += 1) {
      const found = fit(before, after, given)
      if (!(found instanceof Error)) return
      const [next] = flagsOf(found.hint!).filter(({ dropState }) => dropState)
      given = { ...given, dropState: [...(given.dropState ?? []), ...next!.dropState!] }
    }
    expect.fail('following the hints leads nowhere')
  }

  test('nothing is refused where nothing is held', () => {
    for (const [, before, after] of changes) {
      const none = { states: new Map(), timers: 0 }
      const held = new Map(checkpointOf(before).operators.map(({ uid }) => [uid, none]))
      expect(fit(before, after, { held })).not.toBeInstanceOf(Error)
    }
    // Of one state as of all: what is held of the others stays.
    const counted = { states: new Map([['a', 3]]), timers: 0 }
    const fitted = fit(
      byHand({ a: valueState(int32()), b: valueState(utf8()) }),
      byHand({ a: valueState(int32()) }),
      { held: new Map([['acc', counted]]) },
    ) as CheckpointManifest
    const acc = fitted.operators.find(({ uid }) => uid === 'acc')!
    expect(acc.descriptors.map(({ name }) => name)).toEqual(['a'])
    expect(acc.changes).toEqual([{ path: 'b', to: undefined }])
  })
})
