/** What the plan refuses of an order, with what to do. */
import { expect, test } from 'vitest'
import type { ErrorCode } from '../engine/base/errors.ts'
import type { StreamEnvironment } from './index.ts'
import { StreamError } from '../engine/base/errors.ts'
import { monotonous } from './index.ts'
import { bidsOf, clicksOf, Click, graphOf, sink } from './testing.ts'

const MISTAKES: readonly [ErrorCode, string, string, (env: StreamEnvironment) => unknown][] = [
  [
    'OPTION_INVALID',
    'process "p" asks for an order, and its stream has no key',
    'call keyBy',
    (env) =>
      clicksOf(env).process('p', { emits: Click, order: 'event-time', onRecord: () => undefined }),
  ],
  [
    'OPTION_INVALID',
    'process "p" has the order "time"',
    "order: 'event-time'",
    (env) =>
      clicksOf(env)
        .keyBy('user')
        .process('p', { emits: Click, order: 'time', onRecord: () => undefined }),
  ],
  [
    'OPTION_INVALID',
    'process "p" declares a side output "late"',
    'another name',
    (env) =>
      clicksOf(env)
        .keyBy('user')
        .process('p', {
          emits: Click,
          order: 'event-time',
          sides: { late: Click },
          onRecord: () => undefined,
        }),
  ],
  [
    'EVENT_TIME_MISSING',
    '"b.broadcast", a step in event-time order, gets no watermarks from "bids"',
    'Call assignTimestampsAndWatermarks',
    (env) =>
      clicksOf(env)
        .assignTimestampsAndWatermarks('at', monotonous())
        .keyBy('user')
        .connect(bidsOf(env).broadcast())
        .process('b', {
          emits: Click,
          order: 'event-time',
          broadcast: {},
          onRecord: () => undefined,
          onBroadcast: () => undefined,
        })
        .sinkTo('out', sink()),
  ],
  [
    'EVENT_TIME_MISSING',
    '"p", a step in event-time order, gets no watermarks from "clicks"',
    'Call assignTimestampsAndWatermarks',
    (env) =>
      clicksOf(env)
        .keyBy('user')
        .process('p', { emits: Click, order: 'event-time', onRecord: () => undefined })
        .sinkTo('out', sink()),
  ],
  [
    'FIELD_UNKNOWN',
    'the step has no side output "late"',
    "order: 'event-time'",
    (env) =>
      clicksOf(env)
        .keyBy('user')
        .process('p', { emits: Click, onRecord: () => undefined })
        .sideOutput('late'),
  ],
]

test.each(MISTAKES)('%s: %s', (code, message, hint, build) => {
  let found: unknown
  try {
    graphOf(build)
  } catch (error) {
    found = error
  }
  expect(found).toBeInstanceOf(StreamError)
  const error = found as StreamError
  expect(error.message).toContain(message)
  expect(error.code).toBe(code)
  expect(error.hint).toContain(hint)
})
