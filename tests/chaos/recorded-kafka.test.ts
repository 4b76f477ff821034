/** A job on a Kafka source, tried over what was recorded of its brokers. */
import { afterAll, expect, test } from 'vitest'
import { defineJob, int32, struct, utf8, valueState } from 'millrace'
import { fileSink, json, kafkaSource } from 'millrace/connectors'
import { chaos, crash, delay, expectExactlyOnce, runChaos } from 'millrace/testing'
import { kafkaSourceOver } from '../../connectors/kafka/kafka-source.ts'
import { SimulatedKafka } from '../../connectors/kafka/simulated-kafka.ts'
import { systemClock } from '../../engine/base/clock.ts'
import { systemDoors } from '../../engine/base/doors.ts'
import { systemFiles } from '../../engine/base/files.ts'
import { silentLogger } from '../../engine/base/logger.ts'
import { seededRandom } from '../../engine/base/random.ts'
import { bundleOf, readBundle, writeBundle } from '../../engine/chaos/bundle.ts'
import { examine } from '../../engine/chaos/examine.ts'
import { withRecordedInputs } from '../../engine/chaos/recorded-inputs.ts'
import { replayBundle } from '../../engine/chaos/replay.ts'
import { reproduction } from '../../engine/chaos/reproduction.ts'
import { goldenRun, type Subject } from '../../engine/chaos/subject.ts'
import { sourceDefinition } from '../../engine/operator/source.ts'
import { Project } from '../millrace.ts'

const Order = struct({ id: int32(), user: utf8() })
const Counted = struct({ id: int32(), user: utf8(), orders: int32() })
const PARTITIONS = 2
const BATCHES = 12
const BATCH_RECORDS = 5

const project = new Project()
afterAll(() => project.remove())

const kafka = new SimulatedKafka(2, systemClock, seededRandom(1))
kafka.createTopic('orders', PARTITIONS)
for (let batch = 0; batch < BATCHES; batch += 1) {
  const partition = batch % PARTITIONS
  const values = Array.from({ length: BATCH_RECORDS }, (_, index) =>
    JSON.stringify({ id: batch * BATCH_RECORDS + index, user: `user-${partition}` }),
  )
  if (batch % 3 === 0) kafka.transaction('orders', partition, values, 1, 'abort')
  kafka.transaction('orders', partition, values, 1, 'commit')
}

const overMemory = sourceDefinition(
  kafkaSourceOver(kafka, { brokers: kafka.addresses, topic: 'orders', value: json(Order) }),
)
const doors = systemDoors(silentLogger)
const { input } = await overMemory.remote!.record(doors, { recordsMax: 1_000 })
const recorded = { orders: input.toData() }

/** Brokers that nobody has, no end, a group: as a job stands in production. */
const counting = (forgets: boolean) =>
  defineJob('counting-orders', (env) => {
    const known = new Map<string, number>()
    env
      .fromSource(
        'orders',
        kafkaSource({
          brokers: ['127.0.0.1:1'],
          topic: 'orders',
          value: json(Order),
          groupId: 'counters',
          unreachableAfterMs: 50,
        }),
      )
      .keyBy('user')
      .process('count', {
        emits: Counted,
        state: { orders: valueState(int32()) },
        onRecord({ id, user }, { state, emit }) {
          const before = forgets ? known.get(user) : state.orders.value()
          const orders = (before ?? 0) + 1
          known.set(user, orders)
          state.orders.update(orders)
          emit({ id, user, orders })
        },
      })
      .sinkTo('out', fileSink({ directory: '/out', schema: Counted }))
  })

const paces = { batchRecords: 4, pollMs: 15 }
const faults = [
  chaos.at('kafka.response', { nth: 6 }, delay(60)),
  chaos.at('coordinator.written', { nth: 3 }, crash()),
]

test('the job that is right holds, though no broker is there', async () => {
  const result = await runChaos(counting(false), { ...paces, faults, recorded })
  expectExactlyOnce(result)
  expect(result.missed).toEqual([])
  expect(result.lives.map(({ ended }) => ended.type)).toEqual(['crash', 'finished'])
  expect(result.published['out']).toHaveLength(BATCHES * BATCH_RECORDS)
})

test('the job that forgets does not', async () => {
  const { violations } = await runChaos(counting(true), { ...paces, faults, recorded })
  expect(violations.map(({ invariant }) => invariant)).toContain('I1')
})

test('without a recording the brokers are asked, and it is said that none is there', async () => {
  const asking = runChaos(counting(false), paces)
  await expect(asking).rejects.toMatchObject({ code: 'KAFKA_UNREACHABLE' })
})

test('a topic that holds nothing proves nothing', async () => {
  const empty = new SimulatedKafka(1, systemClock, seededRandom(1))
  empty.createTopic('orders', 1)
  const nothing = defineJob('nothing', (env) => {
    const settings = { brokers: empty.addresses, topic: 'orders', value: json(Order) }
    env
      .fromSource('orders', kafkaSourceOver(empty, settings))
      .sinkTo('out', fileSink({ directory: '/out', schema: Order }))
  })
  await expect(runChaos(nothing)).rejects.toMatchObject({
    code: 'CHAOS_UNFIT',
    message: expect.stringMatching(
      /^there is nothing to read: orders: 0 records of 1 part/,
    ) as string,
  })
})

test('a bundle holds the recording, and is had again from it', async () => {
  const checkpointing = { everyMs: 20, timeoutMs: 1_000, tolerableFailures: 1_000 }
  const job = counting(true)
  const plain: Subject = { name: 'counting-orders', job, parameters: {}, checkpointing, ...paces }
  const { subject } = await withRecordedInputs(plain, doors, recorded)
  const golden = await goldenRun(subject, 2)
  const examined = await examine(subject, golden, { seed: 3, parallelism: 2, faults })
  expect(examined.violations.length).toBeGreaterThan(0)
  const folder = project.path('bundle')
  const facts = { subject, golden, examined, jobPath: 'job.ts', jobHash: 'a', millrace: '0.1.0' }
  await writeBundle(systemFiles, folder, bundleOf(facts), [])
  const bundle = await readBundle(systemFiles, folder)
  expect(bundle.recorded).toEqual(recorded)
  expect(reproduction(bundle, 'kept').test).toContain(
    `recorded: JSON.parse(readFileSync("kept/input.json", 'utf8')),`,
  )
  const anew = await withRecordedInputs(plain, doors, bundle.recorded)
  const replay = await replayBundle(anew.subject, bundle)
  expect(replay.isSame).toBe(true)
  expect(replay.examined.violations).toEqual(examined.violations)
})
