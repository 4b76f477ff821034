/** Fewer partitions than subtasks, over a real broker: nobody waits for a subtask without one. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { TestKafka } from './test-kafka.ts'
import { rows, until } from '../cli/process.ts'
import { Project } from '../millrace.ts'
import { brokerMissing, startKafka } from './test-kafka.ts'

const START = 1_700_000_040_000 // A full minute.
const SECONDS = 200

const JOB = `
import { boundedOutOfOrderness, count, defineJob, int32, minutes, parameter, seconds } from 'millrace'
import { struct, timestamp, tumbling, utf8 } from 'millrace'
import { fileSink, json, kafkaSource } from 'millrace/connectors'
const Order = struct({ shop: utf8(), at: timestamp() })
const parameters = { broker: parameter.text(), topic: parameter.text() }
export default defineJob('per-minute', parameters, (env, { broker, topic }) => {
  env.checkpointing({ everyMs: 200 })
  env.fromSource('orders', kafkaSource({ brokers: [broker], topic, value: json(Order) }))
    .assignTimestampsAndWatermarks('at', boundedOutOfOrderness(seconds(30)))
    .keyBy('shop').window(tumbling(minutes(1))).aggregate('per-minute', { orders: count() })
    .map(({ shop, orders, windowStart }) => ({ shop, orders, minute: windowStart - ${START} }))
    .sinkTo('out', fileSink({
      directory: './out', schema: struct({ shop: utf8(), orders: int32(), minute: int32() }),
    }))
})
`

describe.skipIf(brokerMissing() !== undefined)('fewer partitions than subtasks', () => {
  const project = new Project()
  let kafka: TestKafka

  beforeAll(async () => {
    kafka = await startKafka()
  })
  afterAll(async () => {
    await project.remove()
    await kafka.stop()
  })

  test('windows fire, also after a restore with more subtasks', async () => {
    const topic = await kafka.createTopic({ partitions: 1 })
    const produce = (from: number, to: number): Promise<unknown> =>
      kafka.produce(
        topic,
        Array.from({ length: to - from }, (_, index) =>
          JSON.stringify({ shop: `s${(from + index) % 2}`, at: START + (from + index) * 1_000 }),
        ),
        { partition: 0 },
      )
    project.write('job.ts', JOB)
    const shown = (): unknown[] =>
      rows(project.path('out')).map(({ shop, orders, minute }) => [shop, minute, orders])
    const expected = (minutes: number): unknown[] =>
      Array.from({ length: minutes }, (_, minute) =>
        ['s0', 's1'].map((shop) => [shop, minute * 60_000, 30]),
      ).flat()
    const start = (parallelism: number): ReturnType<Project['start']> =>
      project.start([
        ...['run', 'job.ts', '--parallelism', String(parallelism)],
        ...['--set', `broker=${kafka.brokers[0]}`, '--set', `topic=${topic}`],
      ])

    await produce(0, SECONDS)
    const first = start(2)
    await until('windows of two minutes', () => shown().length >= 4)
    first.child.kill('SIGTERM')
    expect((await first.ended).exitCode).toBe(143)
    expect(shown().sort()).toEqual(expected(2).sort())

    await produce(SECONDS, 2 * SECONDS)
    const again = start(4)
    await until('windows of six minutes', () => shown().length >= 12)
    again.child.kill('SIGTERM')
    await again.ended
    expect(shown().sort()).toEqual(expected(6).sort())
  })
})
