/** Every fault point of the table is reached, and told before its step is taken. */
import { defineJob, struct, utf8 } from 'millrace'
import { fileSink, fileSource, text } from 'millrace/connectors'
import { expect, test } from 'vitest'
import type { Source } from '../../engine/index.ts'
import type { ScheduleRun } from '../../engine/chaos/schedule-run.ts'
import { kafkaSourceOver } from '../../connectors/kafka/kafka-source.ts'
import { SimulatedKafka } from '../../connectors/kafka/simulated-kafka.ts'
import { systemClock } from '../../engine/base/clock.ts'
import { seededRandom } from '../../engine/base/random.ts'
import { simulateSchedule } from '../../engine/chaos/simulate-schedule.ts'
import { faultPointNames, faultPoints, type FaultPointName } from '../../engine/faults/points.ts'
import type { FaultAction, FaultSchedule } from '../../engine/faults/schedule.ts'
import { shapes } from '../simulation/shapes.ts'

const Line = struct({ line: utf8() })

function copied(name: string, source: Source<string>): unknown {
  return defineJob(name, (env) => {
    env.checkpointing({ everyMs: 20, tolerableFailures: 1_000 })
    env
      .fromSource('lines', source)
      .map((line) => ({ line }))
      .sinkTo('out', fileSink({ directory: '/out', schema: Line }))
  })
}

const files = copied('files', fileSource({ path: '/in', format: text() }))

/** A topic that is all there: nobody waits for a broker, so its clock need not be the run's. */
function kafkaJob(): unknown {
  const soon = { ...systemClock, immediate: (callback: () => void) => queueMicrotask(callback) }
  const kafka = new SimulatedKafka(1, soon, seededRandom(1))
  kafka.createTopic('lines', 2)
  for (let line = 0; line < 40; line += 1) kafka.produce('lines', line % 2, [`line ${line}`])
  const options = { brokers: kafka.addresses, topic: 'lines', value: text(), to: 'latest' } as const
  return copied('kafka', kafkaSourceOver(kafka, options))
}

function at(point: FaultPointName, nth: number, action: FaultAction): FaultSchedule['faults'] {
  return [{ point, nth, action }]
}

const crash: FaultAction = { type: 'crash' }
const refused: FaultAction = { type: 'errno', errno: 'EIO' }
const refusedThoughDone: FaultAction = { type: 'errno', errno: 'EIO', done: true }

/** What brings a run to the points that one without a fault does not come to. */
const schedules: readonly FaultSchedule['faults'][] = [
  [],
  at('coordinator.committed', 3, crash),
  at('coordinator.written', 2, { type: 'ask', request: 'savepoint' }),
  at('coordinator.written', 2, { type: 'ask', request: 'stop-with-savepoint' }),
  at('disk.state.write', 2, refused),
  at('disk.publish.link', 1, refusedThoughDone),
  at('snapshot.acknowledge', 5, { type: 'drop' }),
]

function run(
  job: unknown,
  faults: FaultSchedule['faults'],
  prepared = false,
): Promise<ScheduleRun> {
  return simulateSchedule({
    job,
    parameters: {},
    schedule: { seed: 1, parallelism: 2, faults },
    ...(prepared
      ? {
          prepare: async (disk) => {
            await disk.mkdir('/in')
            const file = await disk.open('/in/a.txt', 'create')
            await file.write(new TextEncoder().encode('one\ntwo\nthree\n'))
            await file.close()
          },
        }
      : {}),
  })
}

test('every point of the table is reached by runs in simulation', async () => {
  const reached = new Set<string>()
  const note = ({ trace, lives }: ScheduleRun): void => {
    expect(lives.at(-1)!.ended.type).toBe('finished')
    for (const { point } of trace) reached.add(point)
  }
  const shape = (name: string): unknown => shapes.find((one) => one.name === name)!.job
  for (const faults of schedules) note(await run(shape('diamond'), faults))
  for (const name of ['idle', 'delays', 'broadcast']) note(await run(shape(name), []))
  note(await run(files, [], true))
  note(await run(kafkaJob(), []))
  expect(faultPointNames.filter((point) => !reached.has(point))).toEqual([])
  expect(faultPointNames.length).toBeGreaterThanOrEqual(60)
  for (const point of reached) {
    if (!point.startsWith('life.')) expect(Object.keys(faultPoints)).toContain(point)
  }
})

/** What is on the disk when the first life has crashed at a point. */
async function afterCrash(point: FaultPointName): Promise<readonly string[]> {
  const paths: string[] = []
  const { job } = shapes.find(({ name }) => name === 'timers')!
  await simulateSchedule({
    job,
    parameters: {},
    schedule: { seed: 1, parallelism: 2, faults: at(point, 1, crash) },
    onLifeEnd: async (disk, { life }) => {
      if (life > 1) return
      const known = disk.files()
      for (const folder of ['/work/manifests', '/ids', '/work/epochs']) {
        for (const name of await known.list(folder).catch(() => [])) paths.push(`${folder}/${name}`)
      }
    },
  })
  return paths
}

test('a point is told before its step', async () => {
  const manifest = /^\/work\/manifests\/\d{16}\.json$/
  const published = /^\/ids\/.*\.jsonl$/
  const epoch = /^\/work\/epochs\/\d+\.json$/
  const there = async (point: FaultPointName, pattern: RegExp): Promise<boolean> =>
    (await afterCrash(point)).some((path) => pattern.test(path))
  expect(await there('disk.epoch.link', epoch)).toBe(false)
  expect(await there('disk.epoch.folder', epoch)).toBe(true)
  expect(await there('coordinator.write', manifest)).toBe(false)
  expect(await there('disk.manifest.link', manifest)).toBe(false)
  expect(await there('disk.manifest.folder', manifest)).toBe(true)
  expect(await there('coordinator.written', published)).toBe(false)
  expect(await there('disk.publish.link', published)).toBe(false)
  expect(await there('commit.done', published)).toBe(true)
})
