import {
  boundedOutOfOrderness,
  defineJob,
  int32,
  KeyedProcessFunction,
  minutes,
  seconds,
  struct,
  timestamp,
  utf8,
  valueState,
} from 'millrace'
import type { Infer, KeyedContext } from 'millrace'
import { json, kafkaSource, parquetSink } from 'millrace/connectors'

const Click = struct({ user: utf8(), url: utf8(), at: timestamp() })
const Visit = struct({ user: utf8(), clicks: int32(), endedAt: timestamp() })
type Click = Infer<typeof Click>
type Visit = Infer<typeof Visit>

/** The class form. */
export class VisitTracker extends KeyedProcessFunction<string, Click, Visit> {
  readonly #clicks = this.valueState('clicks', int32(), { default: 0 })
  readonly #deadline = this.valueState('deadline', timestamp())

  override processElement(click: Click, context: KeyedContext<string, Visit>): void {
    const previous = this.#deadline.value()
    if (previous !== undefined) context.timers.deleteEventTimeTimer(previous)
    const deadline = click.at + minutes(30)
    context.timers.registerEventTimeTimer(deadline)
    this.#deadline.update(deadline)
    this.#clicks.update(this.#clicks.value() + 1)
  }

  override onTimer(atMs: number, context: KeyedContext<string, Visit>): void {
    context.emit({ user: context.key, clicks: this.#clicks.value(), endedAt: atMs })
    this.#clicks.clear()
    this.#deadline.clear()
  }
}

/** The class form in event-time order. */
class OrderedTracker extends KeyedProcessFunction<string, Click, Visit> {
  override readonly order = 'event-time'

  override processElement(click: Click, context: KeyedContext<string, Visit>): void {
    context.emit({ user: click.user, clicks: 1, endedAt: click.at })
  }
}

export default defineJob('visits', (env) => {
  const clicks = env
    .fromSource(
      'clicks',
      kafkaSource({ brokers: ['localhost:9092'], topic: 'clicks', value: json(Click) }),
    )
    .assignTimestampsAndWatermarks(
      (click) => click.at,
      boundedOutOfOrderness(seconds(30)).withIdleness(minutes(1)),
    )
    .keyBy('user')

  clicks
    .process('visits', {
      emits: Visit,
      state: { clicks: valueState(int32(), { default: 0 }), deadline: valueState(timestamp()) },
      onRecord(click, { state, timers }) {
        const previous = state.deadline.value()
        if (previous !== undefined) timers.deleteEventTimeTimer(previous)
        const deadline = click.at + minutes(30)
        timers.registerEventTimeTimer(deadline)
        state.deadline.update(deadline)
        state.clicks.update(state.clicks.value() + 1)
      },
      onTimer(atMs, { key, state, emit }) {
        emit({ user: key, clicks: state.clicks.value(), endedAt: atMs })
        state.clicks.clear()
        state.deadline.clear()
      },
    })
    .sinkTo('lake', parquetSink({ directory: './out/visits', schema: Visit }))
  // In event-time order clicks need no deadline that moves: they come by their times.
  const ordered = clicks.process('visits-3', {
    emits: Visit,
    order: 'event-time',
    state: { clicks: valueState(int32(), { default: 0 }) },
    onRecord(click, { state, timers }) {
      state.clicks.update(state.clicks.value() + 1)
      timers.registerEventTimeTimer(click.at + minutes(30))
    },
    onTimer(atMs, { key, state, emit }) {
      emit({ user: key, clicks: state.clicks.value(), endedAt: atMs })
    },
  })
  ordered.sideOutput('late').sinkTo('late', parquetSink({ directory: './late', schema: Click }))
  ordered.sinkTo('lake-3', parquetSink({ directory: './out/visits-3', schema: Visit }))
  const byClass = clicks.process('visits-4', () => new OrderedTracker())
  byClass.sideOutput('late').sinkTo('late-4', parquetSink({ directory: './l4', schema: Click }))
  byClass.sinkTo('lake-4', parquetSink({ directory: './out/visits-4', schema: Visit }))
  clicks
    .connect(clicks)
    .process('both', { emits: Visit, order: 'event-time', onLeft() {}, onRight() {} })
    .sideOutput('late')
    .sinkTo('late-5', parquetSink({ directory: './l5', schema: Click }))

  clicks
    .process('visits-2', () => new VisitTracker())
    .sinkTo('lake-2', parquetSink({ directory: './out/visits-2', schema: Visit }))
})
