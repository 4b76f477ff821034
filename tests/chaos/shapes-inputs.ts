/** Shapes that differ in what they read: files of lines, packed and of columns, and Kafka. */
import { gzipSync } from 'node:zlib'
import { count, defineJob, sum } from 'millrace'
import type { Source, StreamEnvironment } from 'millrace'
import { collectionSource, csv, fileSink, fileSource, json } from 'millrace/connectors'
import { kafkaSourceOver } from '../../connectors/kafka/kafka-source.ts'
import { SimulatedKafka } from '../../connectors/kafka/simulated-kafka.ts'
import { makeDirectories, writeDurably, type Files } from '../../engine/base/files.ts'
import { seededRandom } from '../../engine/base/random.ts'
import { VirtualClock } from '../../engine/simulation/virtual-clock.ts'
import { events, rows, runningByUser, START_MS, type ShapeEvent } from './shape-events.ts'
import { byUser, checkpointing, Event, paced, Running } from './shape-parts.ts'
import type { ChaosShape } from './shape.ts'

/** Each user's records lie in one part, in their order. */
const PARTS = 3

function partOf({ user }: ShapeEvent): number {
  return Number(user.slice('user-'.length)) % PARTS
}

function part(index: number): readonly ShapeEvent[] {
  return events.filter((each) => partOf(each) === index)
}

function totalsOf(env: StreamEnvironment, source: Source<ShapeEvent>): void {
  env.checkpointing(checkpointing)
  paced(env, source)
    .keyBy('user')
    .aggregate('totals', { events: count(), amount: sum('amount') })
    .sinkTo('running', fileSink({ directory: '/running', schema: Running }))
}

/** Of files, by name. */
type Contents = Readonly<Record<string, Uint8Array>>

function inputShape(
  name: string,
  source: () => Source<ShapeEvent>,
  contents?: Contents,
): ChaosShape {
  return {
    name,
    job: defineJob(name, (env) => {
      totalsOf(env, source())
    }),
    parameters: {},
    ...(contents === undefined ? {} : { prepare: (files: Files) => fill(files, contents) }),
    expected: { running: runningByUser },
    order: { running: byUser },
  }
}

/** Input is durable before a job reads it. */
async function fill(files: Files, contents: Contents): Promise<void> {
  await makeDirectories(files, '/in')
  for (const [name, bytes] of Object.entries(contents)) {
    const path = `/in/${name}`
    await writeDurably(files, path, bytes, { replace: false, temporary: `${path}.tmp` })
  }
}

const lines = inputShape(
  'lines',
  () => fileSource({ path: '/in/*.jsonl', format: json(Event) }),
  named('jsonl', (part) => rows(part).join('\n')),
)

const packed = inputShape(
  'packed',
  () => fileSource({ path: '/in/*.jsonl.gz', format: json(Event) }),
  named('jsonl.gz', (part) => rows(part).join('\n')),
)

const table = inputShape(
  'table',
  () => fileSource({ path: '/in/*.csv', format: csv(Event) }),
  named('csv', (part) =>
    [
      'id,user,amount,at',
      ...part.map(({ id, user, amount, at }) => `${id},"${user}",${amount},${at}`),
    ].join('\n'),
  ),
)

function named(extension: string, textOf: (part: readonly ShapeEvent[]) => string): Contents {
  const contents: Record<string, Uint8Array> = {}
  for (let index = 0; index < PARTS; index += 1) {
    const bytes = Buffer.from(`${textOf(part(index))}\n`)
    const isPacked = extension.endsWith('.gz')
    contents[`part-${index}.${extension}`] = isPacked ? gzipSync(bytes) : bytes
  }
  return contents
}

/** A log as brokers have it: transactions, some aborted, their ends, and what compaction took. */
function cluster(): SimulatedKafka {
  const random = seededRandom(3)
  const kafka = new SimulatedKafka(2, new VirtualClock(START_MS), random)
  kafka.dropChance = 0.02
  kafka.createTopic('events', PARTS)
  for (let index = 0; index < PARTS; index += 1) {
    const texts = rows(part(index))
    const never = rows(part(index).map((each) => ({ ...each, id: -1, amount: 7_000 })))
    for (let at = 0; at < texts.length;) {
      const taken = texts.slice(at, at + 1 + random.int(9))
      const producer = 1 + random.int(3)
      const dice = random.int(5)
      if (dice === 0) kafka.transaction('events', index, never.slice(0, 3), producer, 'abort')
      if (dice === 1) kafka.transaction('events', index, [], producer, 'abort')
      if (dice <= 2) kafka.transaction('events', index, taken, producer, 'commit')
      else if (dice === 3) kafka.produce('events', index, taken)
      else kafka.produce('events', index, taken, gaps(taken.length))
      at += taken.length
    }
    kafka.transaction('events', index, never.slice(0, 2), 9, 'abort')
  }
  return kafka
}

/** As compaction leaves a batch: every second offset is gone, and the last ones. */
function gaps(length: number): {
  readonly offsetDeltas: readonly number[]
  readonly lastOffsetDelta: number
} {
  const offsetDeltas = Array.from({ length }, (_, index) => index * 2 + 1)
  return { offsetDeltas, lastOffsetDelta: length * 2 + 3 }
}

const kafka = cluster()

const log = inputShape('kafka', () =>
  kafkaSourceOver((doors) => kafka.over(doors), {
    brokers: kafka.addresses,
    topic: 'events',
    value: json(Event),
    to: 'latest',
  }),
)

export const inputShapes: readonly ChaosShape[] = [
  inputShape('list', () => collectionSource(events)),
  lines,
  packed,
  table,
  log,
]
