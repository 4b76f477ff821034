/** Every mistake that a job can hold is found before a thread starts, with what to do. */
import { expect, test } from 'vitest'
import type { ErrorCode } from '../engine/base/errors.ts'
import type { StreamEnvironment, TimerService } from './index.ts'
import { sourceOf } from '../engine/operator/source.ts'
import {
  boundedOutOfOrderness,
  count,
  field,
  hours,
  int32,
  max,
  seconds,
  struct,
  sum,
  timestamp,
  tumbling,
  utf8,
} from './index.ts'
import type { Loose } from './testing.ts'
import { bidsOf, clicksOf, Click, errorOf, sink, source } from './testing.ts'

const slack = boundedOutOfOrderness(seconds(1))

/** A source that asks for dead letters. */
const deadLetters = (env: StreamEnvironment): Loose =>
  env.fromSource(
    'bad',
    sourceOf({ ...source(Click), onMalformed: 'dead-letter' }),
  ) as unknown as Loose

const MISTAKES: readonly [ErrorCode, string, string, (env: StreamEnvironment) => unknown][] = [
  ['GRAPH_NO_SOURCE', 'job "test" has no step', 'fromSource', () => undefined],
  [
    'GRAPH_NO_SINK',
    'nothing reads the result of "n" at mistakes.test.ts:',
    'Add sinkTo, or remove the step.',
    (env) => clicksOf(env).keyBy('user').aggregate('n', { n: count() }),
  ],
  [
    'GRAPH_NO_SINK',
    'nothing reads the dead letters of "bad" at mistakes.test.ts:',
    "sideOutput('malformed')",
    (env) => deadLetters(env).sinkTo('out', sink()),
  ],
  [
    'FIELD_UNKNOWN',
    'the step has no side output "malformed"',
    'It has none.',
    (env) => clicksOf(env).sideOutput('malformed'),
  ],
  [
    'UID_MISSING',
    'sink at mistakes.test.ts:',
    'first argument',
    (env) => clicksOf(env).sinkTo(sink()),
  ],
  [
    'UID_MISSING',
    'aggregate at mistakes.test.ts:',
    'first argument',
    (env) => clicksOf(env).keyBy('user').aggregate({ n: count() }),
  ],
  ['UID_INVALID', 'has the uid "a/b"', 'A uid is', (env) => clicksOf(env).sinkTo('a/b', sink())],
  [
    'UID_DUPLICATE',
    'two steps have the uid "clicks": source at mistakes.test.ts:',
    'Give each its own.',
    (env) => clicksOf(env).sinkTo('clicks', sink()),
  ],
  [
    'FIELD_UNKNOWN',
    'keyBy names "usr", the records have "user, url, at"',
    'Did you mean "user"?',
    (env) => clicksOf(env).keyBy('usr'),
  ],
  [
    'FIELD_UNKNOWN',
    'max of "top" names "prise"',
    'Did you mean "price"?',
    (env) =>
      bidsOf(env)
        .keyBy('auction')
        .aggregate('top', { top: max('prise') }),
  ],
  [
    'FIELD_UNKNOWN',
    'where names "prise"',
    'Did you mean "price"?',
    (env) => bidsOf(env).where(field('at').gt(1).or(field('prise').gt(1).not())),
  ],
  [
    'FIELD_TYPE',
    'sum of "s" names "url", which is a text',
    'It takes a number or a bigint.',
    (env) =>
      clicksOf(env)
        .keyBy('user')
        .aggregate('s', { s: sum('url') }),
  ],
  [
    'FIELD_TYPE',
    'where compares "price", which is a number, with a text',
    'Compare it with a number',
    (env) => bidsOf(env).where(field('price').gt('100')),
  ],
  [
    'FIELD_TYPE',
    'where compares "big", which is a bigint, with a number',
    'Compare it with a bigint',
    (env) => bidsOf(env).where(field('big').eq(1)),
  ],
  [
    'FIELD_TYPE',
    'assignTimestampsAndWatermarks names "url", which is a text',
    'It takes a number.',
    (env) => clicksOf(env).assignTimestampsAndWatermarks('url', slack),
  ],
  [
    'FIELD_TYPE',
    'connect is given keys of different types: a number and a text',
    'same type',
    (env) => bidsOf(env).keyBy('auction').connect(clicksOf(env).keyBy('user')),
  ],
  [
    'FIELD_CLASH',
    'the result of "n" has two columns "windowEnd"',
    'Rename',
    (env) =>
      clicksOf(env)
        .keyBy('user')
        .window(tumbling(hours(1)))
        .aggregate('n', {
          windowEnd: count(),
        }),
  ],
  [
    'FIELD_CLASH',
    'the result of "n" has two columns "key"',
    'Rename',
    (env) =>
      clicksOf(env)
        .keyBy(() => 1)
        .aggregate('n', { key: count() }),
  ],
  [
    'EVENT_TIME_MISSING',
    'window of "n" gets no watermarks from "clicks"',
    'Call assignTimestampsAndWatermarks',
    (env) =>
      clicksOf(env)
        .keyBy('user')
        .window(tumbling(hours(1)))
        .aggregate('n', { n: count() })
        .sinkTo('out', sink()),
  ],
  [
    'EVENT_TIME_MISSING',
    'timers of "t" get no watermarks from "clicks"',
    'Call assignTimestampsAndWatermarks',
    (env) =>
      clicksOf(env)
        .keyBy('user')
        .process('t', {
          emits: Click,
          onRecord(_: unknown, { timers }: { timers: TimerService }) {
            timers.registerEventTimeTimer(1)
          },
        })
        .sinkTo('out', sink()),
  ],
  [
    'PARALLELISM_INVALID',
    '"m" has a parallelism of 200, the maximum is 128',
    'maxParallelism',
    (env) =>
      clicksOf(env)
        .map(() => 1)
        .named('m')
        .parallelism(200)
        .sinkTo('out', sink()),
  ],
  [
    'PARALLELISM_INVALID',
    'has a parallelism of 0',
    'whole number',
    (env) =>
      clicksOf(env)
        .map(() => 1)
        .parallelism(0)
        .sinkTo('out', sink()),
  ],
  [
    'FIELD_UNKNOWN',
    'the records for "lake" have a field "url", its schema does not',
    'pick',
    (env) => clicksOf(env).sinkTo('lake', sink(struct({ user: utf8(), at: timestamp() }))),
  ],
  [
    'FIELD_UNKNOWN',
    'the schema of "lake" has a column "more", the records do not',
    'nullable',
    (env) =>
      clicksOf(env)
        .pick('user')
        .sinkTo('lake', sink(struct({ user: utf8(), more: utf8() }))),
  ],
  [
    'FIELD_TYPE',
    '"user" of "lake" is a number, the records have a text',
    'map',
    (env) =>
      clicksOf(env)
        .pick('user')
        .sinkTo('lake', sink(struct({ user: int32() }))),
  ],
  [
    'FIELD_UNKNOWN',
    'the step has no side output "worse"',
    'It has: bad',
    (env) =>
      clicksOf(env)
        .process('p', {
          emits: Click,
          sides: { bad: Click },
          onRecord: () => undefined,
        })
        .sideOutput('worse'),
  ],
  [
    'OPTION_INVALID',
    'process "p" has a part "onRecrod"',
    'Did you mean "onRecord"?',
    (env) => clicksOf(env).process('p', { emits: Click, onRecrod: () => undefined }),
  ],
  [
    'OPTION_INVALID',
    'process "p" has no "emits"',
    'emits: schema',
    (env) => clicksOf(env).process('p', { onRecord: () => undefined }),
  ],
  [
    'OPTION_INVALID',
    'connect is given a stream that is neither keyed nor broadcast',
    'keyBy',
    (env) => clicksOf(env).keyBy('user').connect(bidsOf(env)),
  ],
  [
    'OPTION_INVALID',
    'env.checkpointing has no option "every"',
    'Did you mean "everyMs"?',
    (env) => {
      env.checkpointing({ every: 1 } as object)
    },
  ],
  [
    'FIELD_UNKNOWN',
    'topN of "t" names "windowStart"',
    'Name one of the fields',
    (env) => clicksOf(env).topN('t', { n: 1, by: 'at' }),
  ],
  [
    'OPTION_INVALID',
    'topN "t" stands behind a window with allowedLateness',
    'Remove allowedLateness',
    (env) =>
      clicksOf(env)
        .keyBy('user')
        .window(tumbling(hours(1)))
        .allowedLateness(seconds(1))
        .aggregate('n', { n: count() })
        .filter(() => true)
        .topN('t', { n: 1, by: 'n' }),
  ],
  [
    'FIELD_TYPE',
    'topN of "t" names "user", which is a text',
    'It takes a number',
    (env) =>
      clicksOf(env)
        .keyBy('user')
        .window(tumbling(hours(1)))
        .aggregate('n', { n: count() })
        .topN('t', { n: 1, by: 'user' }),
  ],
  [
    'FIELD_TYPE',
    'intervalJoin is given keys of different types: a number and a text',
    'same type',
    (env) =>
      bidsOf(env)
        .keyBy('auction')
        .intervalJoin('j', clicksOf(env).keyBy('user'), { lower: 0, upper: 1 }, () => 1),
  ],
  [
    'OPTION_INVALID',
    'intervalJoin "j" has the bounds 1 to 0',
    'lower one first',
    (env) => {
      const clicks = clicksOf(env).keyBy('user')
      return clicks.intervalJoin('j', clicks, { lower: 1, upper: 0 }, () => 1)
    },
  ],
  [
    'OPTION_INVALID',
    'asyncMap is not part of this version',
    'broadcast stream',
    (env) => clicksOf(env).asyncMap('a', async () => 1),
  ],
  [
    'JOB_INVALID',
    'the function of job "test" threw: oops',
    'before a record flows',
    () => {
      throw new Error('oops')
    },
  ],
]

test.each(MISTAKES)('%s: %s', (code, message, hint, build) => {
  const error = errorOf(build)
  expect(error.message).toContain(message)
  expect(error.code).toBe(code)
  expect(error.hint).toContain(hint)
})
