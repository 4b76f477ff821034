import { expect, test } from 'vitest'
import type { KeySelector } from '../../engine/stream/keys.ts'
import type { OperatorSubject } from '../../engine/testing/operator-host.ts'
import type { ValueState } from '../../engine/state/state.ts'
import type { ProcessScope } from './process-context.ts'
import { RecordBatch } from '../../engine/stream/record-batch.ts'
import { OperatorHost } from '../../engine/testing/operator-host.ts'
import {
  end,
  processingTime,
  record,
  side,
  verifyOperator,
  watermark,
} from '../../engine/testing/index.ts'
import { createCoProcess, createKeyedProcess } from './factories.ts'

interface Click {
  readonly user: string
  readonly n: number
}
const byUser: KeySelector = { type: 'field', field: 'user' }
const click = (user: string, n: number): Click => ({ user, n })

function ordered(definition: object, states: string[] = []): OperatorSubject {
  const descriptors = Object.fromEntries(
    states.map((name) => [name, { type: 'value', name, value: { kind: 'float64' } } as const]),
  )
  const form = { type: 'object', definition, states: descriptors, sides: [] } as never
  const options = { key: byUser, order: 'event-time', schema: undefined, form } as const
  return { ...createKeyedProcess(options), keys: [byUser] }
}

type Context = ProcessScope & {
  readonly state: Readonly<Record<string, ValueState<number, number | undefined>>>
}

/** Tells all that happens, with the watermark that the call sees. */
const log = ordered({
  onRecord({ n }: Click, { emit, timers, timestampMs }: Context) {
    emit({ n, at: timestampMs, sees: timers!.watermarkMs })
  },
})

test('records come by their times once the watermark has passed them', () => {
  verifyOperator(log)
    .input(
      record(click('a', 1), 30),
      record(click('a', 2), 10),
      watermark(9),
      record(click('a', 3), 20),
      watermark(20),
      record(click('a', 4), 25),
      watermark(30),
    )
    .expect(
      watermark(9),
      record({ n: 2, at: 10, sees: 9 }, 10),
      record({ n: 3, at: 20, sees: 19 }, 20),
      watermark(20),
      record({ n: 4, at: 25, sees: 24 }, 25),
      record({ n: 1, at: 30, sees: 29 }, 30),
      watermark(30),
    )
})

test('a record at or behind the watermark goes to the side output late, as it came', () => {
  verifyOperator(log)
    .input(
      watermark(10),
      record(click('a', 1), 9),
      record(click('a', 2), 10),
      record(click('a', 3), 11),
      end(),
    )
    .expect(
      watermark(10),
      side('late', click('a', 1), 9),
      side('late', click('a', 2), 10),
      record({ n: 3, at: 11, sees: 10 }, 11),
      end(),
    )
})

test('records of one key and time come by content, whatever order they arrived in', () => {
  const orders = [
    [3, 1, 2],
    [2, 3, 1],
    [1, 2, 3],
  ]
  for (const order of orders) {
    verifyOperator(log)
      .input(...order.map((n) => record(click('a', n), 5)), watermark(5))
      .expect(...[1, 2, 3].map((n) => record({ n, at: 5, sees: 4 }, 5)), watermark(5))
  }
})

test('records of one key, time and split come by their offsets, splits by their numbers', () => {
  const host = new OperatorHost(log, {
    subtask: 0,
    parallelism: 1,
    creditBatches: 1,
    restored: [],
  })
  const rows = [1, 2, 3, 4].map((n) => click('a', n))
  const times = new Float64Array(4).fill(5)
  const splits = Int32Array.of(1, 0, 1, 0)
  const offsets = Float64Array.of(7, 9, 3, 10)
  host.processBatch(new RecordBatch(4, rows, undefined, times, undefined, splits, offsets), 0)
  host.advanceWatermark(5)
  const found = host.results.map((result) =>
    result.type === 'record' ? (result.value as Click).n : 'watermark',
  )
  expect(found).toEqual([2, 4, 3, 1, 'watermark'])
})

const timed = ordered({
  onRecord({ n }: Click, { emit, timers, timestampMs }: Context) {
    emit({ n, at: timestampMs })
    timers!.registerEventTimeTimer(n)
  },
  onTimer(atMs: number, { emit, timers, timestampMs }: Context) {
    emit({ timer: atMs, at: timestampMs, sees: timers!.watermarkMs })
  },
})

test('timers fire in their place: records of their time before them, later records behind', () => {
  verifyOperator(timed)
    .input(
      record(click('a', 25), 10),
      record(click('a', 20), 20),
      record(click('a', 90), 21),
      end(),
    )
    .expect(
      record({ n: 25, at: 10 }, 10),
      record({ n: 20, at: 20 }, 20),
      record({ timer: 20, at: 20, sees: 19 }, 20),
      record({ n: 90, at: 21 }, 21),
      record({ timer: 25, at: 25, sees: 24 }, 25),
      record({ timer: 90, at: 90, sees: 89 }, 90),
      end(),
    )
})

test('a timer set for a time that has passed fires next, and does not turn time back', () => {
  verifyOperator(timed)
    .input(record(click('a', 3), 10), record(click('a', 90), 10), record(click('a', 91), 11), end())
    .expect(
      record({ n: 3, at: 10 }, 10),
      record({ timer: 3, at: 3, sees: 9 }, 3),
      record({ n: 90, at: 10 }, 10),
      record({ n: 91, at: 11 }, 11),
      record({ timer: 90, at: 90, sees: 89 }, 90),
      record({ timer: 91, at: 91, sees: 90 }, 91),
      end(),
    )
})

test('a visit ends half a minute after its last click, though clicks come out of order', () => {
  const visits = ordered(
    {
      onRecord({ n }: Click, { state, timers }: Context) {
        timers!.deleteEventTimeTimer(state['deadline']!.value() ?? 0)
        state['deadline']!.update(n + 30)
        timers!.registerEventTimeTimer(n + 30)
        state['clicks']!.update((state['clicks']!.value() ?? 0) + 1)
      },
      onTimer(atMs: number, { key, state, emit }: Context) {
        emit({ user: key, clicks: state['clicks']!.value(), atMs })
        state['clicks']!.clear()
        state['deadline']!.clear()
      },
    },
    ['clicks', 'deadline'],
  )
  const clicks = [60, 10, 35, 20, 200, 100].map((n) => record(click('a', n), n))
  verifyOperator(visits)
    .input(...clicks, watermark(100), record(click('a', 129), 129), end())
    .expect(
      record({ user: 'a', clicks: 4, atMs: 90 }, 90),
      watermark(100),
      record({ user: 'a', clicks: 2, atMs: 159 }, 159),
      record({ user: 'a', clicks: 1, atMs: 230 }, 230),
      end(),
    )
})

test('many keys, each in its own order, survive a restore and a change of parallelism', () => {
  const sums = ordered(
    {
      onRecord({ n }: Click, { key, state, emit }: Context) {
        const before = state['last']!.value() ?? 0
        state['last']!.update(n)
        emit({ key, n, before })
      },
    },
    ['last'],
  )
  const times = [7, 3, 5, 1]
  const users = ['a', 'b', 'c']
  const inputs = times.flatMap((n) => users.map((user) => record(click(user, n), n)))
  const came = [1, 3, 5, 7].flatMap((n, index) =>
    users.map((key) => record({ key, n, before: [0, 1, 3, 5][index] }, n)),
  )
  verifyOperator(sums)
    .input(...inputs, watermark(4), end())
    .expect(...came.slice(0, 6), watermark(4), ...came.slice(6), end())
})

test('two inputs are one order: at the same time the left record comes first', () => {
  const keys = [byUser, byUser] as const
  const factory = createCoProcess({
    keys,
    order: 'event-time',
    schemas: [undefined, undefined],
    sides: [],
    states: { limit: { type: 'value', name: 'limit', value: { kind: 'int32' }, default: 0 } },
    definition: {
      onLeft({ n }: Click, { state, emit }: Context) {
        emit({ n, limit: state['limit']!.value() })
      },
      onRight({ n }: Click, { state }: Context) {
        state['limit']!.update(n)
      },
    },
  })
  const rights = [record(click('a', 40), 4, 1), record(click('a', 20), 2, 1)]
  const lefts = [5, 4, 3, 2, 1].map((n) => record(click('a', n), n))
  const expected = [0, 0, 20, 20, 40].map((limit, index) =>
    record({ n: index + 1, limit }, index + 1),
  )
  for (const elements of [
    [...rights, ...lefts],
    [...lefts, ...rights],
  ]) {
    verifyOperator({ ...factory, keys })
      .input(...elements, end())
      .expect(...expected, end())
  }
  verifyOperator({ ...factory, keys })
    .input(watermark(3), record(click('a', 3), 3, 1), end())
    .expect(watermark(3), side('late', click('a', 3), 3), end())
})

test('a processing-time timer fires by the clock, between releases', () => {
  const alarm = ordered({
    onRecord({ n }: Click, { emit, timers }: Context) {
      emit(n)
      timers!.registerProcessingTimeTimer(timers!.processingTimeMs + 5)
    },
    onTimer(atMs: number, { emit, timers }: Context) {
      emit({ atMs, sees: timers!.watermarkMs })
    },
  })
  verifyOperator(alarm)
    .input(record(click('a', 1), 10), processingTime(10), watermark(12), processingTime(20), end())
    .expect(record(1, 10), watermark(12), record({ atMs: 15, sees: 12 }), end())
})

test('a record without a time is an error with a code', () => {
  const run = (timeMs: number | undefined) => (): void => {
    verifyOperator(log)
      .input(record(click('a', 1), 1), record(click('a', 1), timeMs))
      .expect()
  }
  expect(run(NaN)).toThrow(expect.objectContaining({ code: 'EVENT_TIME_MISSING' }) as Error)
  expect(() => {
    verifyOperator(log)
      .input(record(click('a', 1)))
      .expect()
  }).toThrow('has no event time, and the step is in event-time order')
})

test('an error of the function says where its record stands, though it has waited', () => {
  const throws = ordered({
    onRecord() {
      throw new TypeError('no')
    },
  })
  const host = new OperatorHost(throws, {
    subtask: 0,
    parallelism: 1,
    creditBatches: 1,
    restored: [],
  })
  const times = Float64Array.of(5)
  const offsets = Float64Array.of(12)
  host.processBatch(new RecordBatch(1, [click('a', 1)], undefined, times, undefined, 3, offsets), 0)
  expect(() => {
    host.advanceWatermark(5)
  }).toThrow(
    expect.objectContaining({
      place: expect.objectContaining({ splitIndex: 3, offset: 12 }) as object,
    }) as Error,
  )
})

test('an async function is refused', () => {
  const waits = ordered({ onRecord: () => Promise.resolve() })
  const run = (): void => {
    verifyOperator(waits)
      .input(record(click('a', 1), 1), end())
      .expect()
  }
  expect(run).toThrow('returned a promise')
})
