import { expect, test } from 'vitest'
import type { KeySelector } from '../../engine/stream/keys.ts'
import type { OperatorSubject } from '../../engine/testing/operator-host.ts'
import type { MapState, ValueState } from '../../engine/state/state.ts'
import type { ProcessScope } from './process-context.ts'
import {
  processingTime,
  record,
  side,
  verifyOperator,
  watermark,
} from '../../engine/testing/index.ts'
import { StreamError } from '../../engine/base/errors.ts'
import {
  createBroadcastProcess,
  createCoProcess,
  createKeyedProcess,
  createProcess,
} from './factories.ts'
import { schemaOf } from '../../engine/stream/schema.ts'
import { KeyedProcessFunction, declaredStates } from '../process-function.ts'

interface Click {
  readonly user: string
  readonly at: number
}
const byUser: KeySelector = { type: 'field', field: 'user' }
const click = (user: string, at: number): Click => ({ user, at })

function keyed(definition: object, states: string[] = [], sides: string[] = []): OperatorSubject {
  const descriptors = Object.fromEntries(
    states.map((name) => [name, { type: 'value', name, value: { kind: 'float64' } } as const]),
  )
  const form = { type: 'object', definition, states: descriptors, sides } as never
  return {
    ...createKeyedProcess({ key: byUser, order: 'arrival', schema: undefined, form }),
    keys: [byUser],
  }
}

type Context = ProcessScope & {
  readonly state: Readonly<Record<string, ValueState<number, number | undefined>>>
}

test.each([99.25, NaN, Infinity, 8.64e15 + 1, -8.64e15 - 1, '5', 5n, undefined])(
  'a timer at a time that the engine cannot store is refused: %s',
  (at) => {
    for (const name of ['registerEventTimeTimer', 'registerProcessingTimeTimer'] as const) {
      const step = keyed({
        onRecord: (_: Click, { timers }: Context) => {
          timers![name](at as number)
        },
        onTimer: () => undefined,
      })
      const run = (): void => {
        verifyOperator(step)
          .input(record(click('a', 10), 10))
          .expect()
      }
      expect(run).toThrow(/a timer was asked for at/)
      expect(run).toThrow(expect.objectContaining({ code: 'VALUE_UNFIT' }))
    }
  },
)

test('a visit ends half a minute after its last click, by a timer that moves', () => {
  const visits = keyed(
    {
      onRecord({ at }: Click, { state, timers }: Context) {
        if (state['deadline']!.value() !== undefined) {
          timers!.deleteEventTimeTimer(state['deadline']!.value()!)
        }
        state['deadline']!.update(at + 30)
        timers!.registerEventTimeTimer(at + 30)
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
  verifyOperator(visits)
    .input(
      record(click('a', 10), 10),
      record(click('b', 12), 12),
      record(click('a', 20), 20),
      watermark(45),
      record(click('b', 46), 46),
      watermark(100),
    )
    .expect(
      record({ user: 'b', clicks: 1, atMs: 42 }, 42),
      watermark(45),
      record({ user: 'a', clicks: 2, atMs: 50 }, 50),
      record({ user: 'b', clicks: 1, atMs: 76 }, 76),
      watermark(100),
    )
})

test('emit and emitTo may be taken out of the context, and results keep the time of the record', () => {
  const split = keyed(
    {
      onRecord({ user, at }: Click, { emit, emitTo, key, timestampMs }: Context) {
        if (at < 0) emitTo('bad', { user })
        else emit({ key, timestampMs })
      },
    },
    [],
    ['bad'],
  )
  verifyOperator(split)
    .input(record(click('a', 1), 7), record(click('b', -1), 8))
    .expect(record({ key: 'a', timestampMs: 7 }, 7), side('bad', { user: 'b' }, 8))
})

test('a processing-time timer fires when the clock reaches it', () => {
  const alarm = keyed({
    onRecord(_: Click, { timers }: Context) {
      timers!.registerProcessingTimeTimer(timers!.processingTimeMs + 5)
    },
    onTimer(atMs: number, { emit, key }: Context) {
      emit({ key, atMs })
    },
  })
  verifyOperator(alarm)
    .input(
      processingTime(10),
      record(click('a', 1)),
      processingTime(12),
      record(click('b', 1)),
      processingTime(16),
      processingTime(20),
    )
    .expect(record({ key: 'a', atMs: 15 }), record({ key: 'b', atMs: 17 }))
})

test('the class form declares its states as fields', () => {
  class Counter extends KeyedProcessFunction<string, Click, object> {
    readonly #count = this.valueState('count', schemaOf<number>({ kind: 'int32' }), { default: 0 })

    override processElement({ user }: Click, context: { emit(row: object): void }): void {
      this.#count.update(this.#count.value() + 1)
      context.emit({ user, count: this.#count.value() })
    }
  }
  const states = declaredStates(new Counter())
  const form = { type: 'class', states, create: () => new Counter() } as never
  const factory = createKeyedProcess({ key: byUser, order: 'arrival', schema: undefined, form })
  expect(factory.states.map((state) => state.name)).toEqual(['count'])
  verifyOperator({ ...factory, keys: [byUser] })
    .input(record(click('a', 1)), record(click('b', 1)), record(click('a', 1)))
    .expect(
      record({ user: 'a', count: 1 }),
      record({ user: 'b', count: 1 }),
      record({ user: 'a', count: 2 }),
    )
})

test('two keyed inputs share the state of a key', () => {
  const keys = [byUser, { type: 'field', field: 'name' }] as const
  const factory = createCoProcess({
    keys,
    order: 'arrival',
    schemas: [undefined, undefined],
    sides: [],
    states: { limit: { type: 'value', name: 'limit', value: { kind: 'int32' }, default: 0 } },
    definition: {
      onLeft({ user, at }: Click, { state, emit }: Context) {
        if (at > state['limit']!.value()!) emit({ user, at })
      },
      onRight({ limit }: { limit: number }, { state }: Context) {
        state['limit']!.update(limit)
      },
    },
  })
  verifyOperator({ ...factory, keys })
    .input(
      record({ name: 'a', limit: 5 }, undefined, 1),
      record(click('a', 3)),
      record(click('b', 3)),
      record(click('a', 6)),
    )
    .expect(record(click('b', 3)), record(click('a', 6)))
})

test('broadcast state is written by its own input and read by the keyed one', () => {
  type Rules = { readonly broadcast: { readonly rules: MapState<string, number> } }
  const factory = createBroadcastProcess({
    key: byUser,
    order: 'arrival',
    broadcastSchema: undefined,
    schema: undefined,
    sides: [],
    states: {},
    broadcast: {
      rules: { type: 'map', name: 'rules', key: { kind: 'utf8' }, value: { kind: 'int32' } },
    },
    definition: {
      onRecord({ user, at }: Click, { broadcast, emit }: ProcessScope & Rules) {
        expect('put' in broadcast.rules).toBe(false)
        emit({ user, at: at * (broadcast.rules.get(user) ?? 1) })
      },
      onBroadcast(rule: { user: string; factor: number }, { broadcast }: Rules) {
        broadcast.rules.put(rule.user, rule.factor)
      },
    },
  })
  verifyOperator({ ...factory, keys: [byUser, undefined] })
    .input(
      record(click('a', 3)),
      record({ user: 'a', factor: 10 }, undefined, 1),
      record(click('a', 3)),
      record(click('b', 3)),
    )
    .expect(record(click('a', 3)), record(click('a', 30)), record(click('b', 3)))
})

test('an unkeyed process has no timers, and an error names the record', () => {
  const factory = createProcess({
    sides: [],
    definition: {
      onRecord({ user }: Click, context: Context) {
        expect(context.timers).toBeUndefined()
        if (user === 'b') throw new TypeError('no b')
        context.emit(user)
      },
    },
  })
  const run = (): void => {
    verifyOperator(factory)
      .input(record(click('a', 1)), record(click('b', 1)))
      .expect()
  }
  expect(run).toThrow(StreamError)
  expect(run).toThrow('no b')
})

test('an async function and an undeclared side output are refused', () => {
  const waits = keyed({ onRecord: () => Promise.resolve() })
  const strays = keyed({
    onRecord(_: Click, { emitTo }: Context) {
      emitTo('nowhere', 1)
    },
  })
  const run = (subject: OperatorSubject) => () => {
    verifyOperator(subject)
      .input(record(click('a', 1)))
      .expect()
  }
  expect(run(waits)).toThrow('returned a promise')
  expect(run(strays)).toThrow('emitTo names "nowhere"')
})
