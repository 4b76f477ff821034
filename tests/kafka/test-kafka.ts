import { execFile, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Api } from '../../connectors/kafka/requests.ts'
import type { BatchOptions, ProducedRecord } from '../../connectors/kafka/record-batch-encoder.ts'
import { kafkaTransport } from '../../connectors/kafka/kafka-client.ts'
import { KafkaCluster } from '../../connectors/kafka/kafka-cluster.ts'
import { encodeBatch } from '../../connectors/kafka/record-batch-encoder.ts'
import { isTransient } from '../../connectors/kafka/requests.ts'
import { systemClock } from '../../engine/base/clock.ts'
import { silentLogger } from '../../engine/base/logger.ts'
import { systemRandom } from '../../engine/base/random.ts'
import {
  ADD_PARTITION_TO_TRANSACTION,
  CREATE_PARTITIONS,
  CREATE_TOPIC,
  DELETE_RECORDS,
  DELETE_TOPIC,
  END_TRANSACTION,
  FIND_TRANSACTION_COORDINATOR,
  INIT_PRODUCER_ID,
  OFFSET_FETCH,
  PRODUCE,
} from './admin-requests.ts'

/** Beside this file, or where it was bundled elsewhere in the project's folder. */
const beside = fileURLToPath(new URL('broker.sh', import.meta.url))
const script = existsSync(beside) ? beside : resolve('tests/kafka/broker.sh')

/** Set by the global set-up for the tests of one run: the address. */
const SHARED_BROKERS = 'MILLRACE_TEST_KAFKA'

/** Why no broker can be had here; undefined when one can. */
export function kafkaMissing(): string | undefined {
  if (process.env[SHARED_BROKERS] !== undefined) return undefined
  return brokerMissing()
}

/** Why no broker can be started here, whether or not one was given. */
export function brokerMissing(): string | undefined {
  const java = spawnSync('java', ['-version'], { encoding: 'utf8' })
  const version = java.error === undefined ? /version "(\d+)/.exec(java.stderr)?.[1] : undefined
  if (Number(version ?? 0) < 17) return 'Java 17 or later is not installed'
  const maven = spawnSync('mvn', ['-v'], { encoding: 'utf8' })
  return maven.status === 0 ? undefined : 'Maven is not installed'
}

export interface StartOptions {
  /** A broker of its own, which may be killed; else the one that the whole run shares. */
  readonly own?: boolean
  /** Compiler tier of the broker: 1 starts faster, 4 runs faster. */
  readonly tier?: 1 | 4
  /** Further settings of a broker of its own, and arguments for the formatting of its storage. */
  readonly settings?: string
  readonly format?: string
}

/**
 * A real broker, and hands to write to it. One is started, or the run's shared one is used.
 * Whoever started it calls `stop`; on a shared one that only closes the connections.
 */
export async function startKafka(options: StartOptions = {}): Promise<TestKafka> {
  const shared = process.env[SHARED_BROKERS]
  if (options.own !== true && shared !== undefined) {
    return new TestKafka(shared.split(','), undefined)
  }
  await broker(['libs'])
  const folder = mkdtempSync(join(tmpdir(), 'millrace-kafka-'))
  const extra = join(folder, 'extra.properties')
  writeFileSync(extra, options.settings ?? '')
  const environment = {
    KAFKA_TIER: String(options.tier ?? 1),
    KAFKA_EXTRA: extra,
    KAFKA_FORMAT: options.format ?? '',
  }
  const address = await broker(['start', folder, '0'], environment)
  const kafka = new TestKafka([address], { folder, environment })
  await kafka.warm()
  return kafka
}

/** Starts the broker of a run and names it to every test; gives what ends it. */
export async function shareKafka(): Promise<() => Promise<void>> {
  const kafka = await startKafka()
  process.env[SHARED_BROKERS] = kafka.brokers.join(',')
  return async () => {
    Reflect.deleteProperty(process.env, SHARED_BROKERS)
    await kafka.stop()
  }
}

interface OwnBroker {
  readonly folder: string
  readonly environment: Readonly<Record<string, string>>
}

export class TestKafka {
  readonly brokers: readonly string[]
  readonly #own: OwnBroker | undefined
  #cluster: KafkaCluster
  #names = 0

  constructor(brokers: readonly string[], own: OwnBroker | undefined) {
    this.brokers = brokers
    this.#own = own
    this.#cluster = newCluster(brokers)
  }

  /** A name that no test of any run had before. */
  uniqueName(prefix: string): string {
    this.#names += 1
    return `${prefix}-${Date.now().toString(36)}-${process.pid}-${this.#names}`
  }

  /** Makes a topic, by default of a new name and one partition, and returns its name. */
  async createTopic(
    options: {
      readonly topic?: string
      readonly partitions?: number
      readonly config?: Record<string, string>
    } = {},
  ): Promise<string> {
    const { topic = this.uniqueName('topic'), partitions = 1, config = {} } = options
    await this.#try(async () => this.#cluster.callAny(CREATE_TOPIC, { topic, partitions, config }))
    // Made, but its partitions may not lead yet.
    await this.#cluster.topic(topic)
    return topic
  }

  async deleteTopic(topic: string): Promise<void> {
    await this.#try(async () => this.#cluster.callAny(DELETE_TOPIC, topic))
  }

  async addPartitions(topic: string, count: number): Promise<void> {
    await this.#try(async () => this.#cluster.callAny(CREATE_PARTITIONS, { topic, count }))
    for (;;) {
      if ((await this.#cluster.topic(topic)).partitions.length >= count) return
      await systemClock.sleep(20)
    }
  }

  /** Removes what stands before an offset, as retention does. */
  async deleteRecords(topic: string, partition: number, before: number): Promise<void> {
    await this.#try(async () => this.#cluster.callAny(DELETE_RECORDS, { topic, partition, before }))
  }

  /** Writes the records as one batch and returns the offset of the first. */
  produce(
    topic: string,
    records: readonly (ProducedRecord | string)[],
    options: BatchOptions & { readonly partition?: number } = {},
  ): Promise<number> {
    const whole = records.map((record) => (typeof record === 'string' ? { value: record } : record))
    return this.produceBatches(
      topic,
      options.partition ?? 0,
      encodeBatch(whole, { timestampMs: Date.now(), ...options }),
    )
  }

  /** Writes encoded batches, all in one request. */
  async produceBatches(
    topic: string,
    partition: number,
    batches: Uint8Array,
    transactionalId: string | null = null,
  ): Promise<number> {
    let baseOffset = -1
    await this.#try(async () => {
      const written = await this.#cluster.callAny(PRODUCE, {
        transactionalId,
        topic,
        partition,
        batches,
      })
      baseOffset = written.baseOffset
      return written.error
    })
    return baseOffset
  }

  /** A producer that writes transactions, one at a time. */
  async transactions(id = this.uniqueName('producer')): Promise<TestTransactions> {
    await this.#try(async () => this.#cluster.callAny(FIND_TRANSACTION_COORDINATOR, id))
    let key = { transactionalId: id, producerId: -1, producerEpoch: -1 }
    await this.#try(async () => {
      const request = { transactionalId: id, timeoutMs: 600_000 }
      const { error, ...producer } = await this.#cluster.callAny(INIT_PRODUCER_ID, request)
      key = { transactionalId: id, ...producer }
      return error
    })
    return new TestTransactions(key, this, <Q>(api: Api<Q, number>, request: Q) =>
      this.#try(async () => this.#cluster.callAny(api, request)),
    )
  }

  /** What a group has committed; -1: nothing. */
  groupOffset(groupId: string, topic: string, partition = 0): Promise<number> {
    return this.#cluster.callAny(OFFSET_FETCH, { groupId, topic, partition })
  }

  /** SIGKILL. The data stays. */
  async kill(): Promise<void> {
    await broker(['kill', this.#folder()])
    this.#cluster.close()
  }

  /** Starts it again on its port and data. */
  async restart(): Promise<void> {
    const port = this.brokers[0]!.split(':')[1]!
    await broker(['start', this.#folder(), port], this.#own?.environment)
    this.#cluster = newCluster(this.brokers)
  }

  async stop(): Promise<void> {
    this.#cluster.close()
    if (this.#own === undefined) return
    await broker(['kill', this.#own.folder])
    rmSync(this.#own.folder, { recursive: true, force: true })
  }

  /** A cold broker takes half a second for its first group and its first transaction. */
  async warm(): Promise<void> {
    const topic = await this.createTopic()
    const producer = await this.transactions()
    await producer.write(topic, ['warm'])
    await producer.commit()
    await this.groupOffset('warm', topic)
    await this.deleteTopic(topic)
  }

  #folder(): string {
    if (this.#own === undefined) throw new Error('a shared broker is not to be killed: own: true')
    return this.#own.folder
  }

  async #try(attempt: () => Promise<number>): Promise<void> {
    const startMs = systemClock.monotonicMs()
    for (;;) {
      const error = await attempt()
      if (error === 0) return
      const isPassing = isTransient(error) || error === CONCURRENT_TRANSACTIONS
      if (!isPassing || systemClock.monotonicMs() - startMs > 15_000) {
        throw new Error(`the broker answered with error ${error}`)
      }
      await systemClock.sleep(10)
    }
  }
}

const CONCURRENT_TRANSACTIONS = 51

/** Begins a transaction with the first write and ends it by `commit` or `abort`. */
export class TestTransactions {
  readonly #key: {
    readonly transactionalId: string
    readonly producerId: number
    readonly producerEpoch: number
  }
  readonly #kafka: TestKafka
  readonly #request: <Q>(api: Api<Q, number>, request: Q) => Promise<void>
  readonly #sequences = new Map<string, number>()
  readonly #added = new Set<string>()

  constructor(
    key: TestTransactions['key'],
    kafka: TestKafka,
    request: <Q>(api: Api<Q, number>, request: Q) => Promise<void>,
  ) {
    this.#key = key
    this.#kafka = kafka
    this.#request = request
  }

  get key(): {
    readonly transactionalId: string
    readonly producerId: number
    readonly producerEpoch: number
  } {
    return this.#key
  }

  async write(
    topic: string,
    records: readonly (ProducedRecord | string)[],
    options: Pick<BatchOptions, 'compression'> & { readonly partition?: number } = {},
  ): Promise<number> {
    const { partition = 0, compression } = options
    const name = `${topic}-${partition}`
    if (!this.#added.has(name)) {
      await this.#request(ADD_PARTITION_TO_TRANSACTION, { ...this.#key, topic, partition })
      this.#added.add(name)
    }
    const baseSequence = this.#sequences.get(name) ?? 0
    this.#sequences.set(name, baseSequence + records.length)
    const whole = records.map((record) => (typeof record === 'string' ? { value: record } : record))
    const batch = encodeBatch(whole, {
      timestampMs: Date.now(),
      ...this.#key,
      baseSequence,
      isTransactional: true,
      ...(compression === undefined ? {} : { compression }),
    })
    return this.#kafka.produceBatches(topic, partition, batch, this.#key.transactionalId)
  }

  commit(): Promise<void> {
    return this.#end(true)
  }

  abort(): Promise<void> {
    return this.#end(false)
  }

  async #end(commit: boolean): Promise<void> {
    if (this.#added.size === 0) return
    await this.#request(END_TRANSACTION, { ...this.#key, commit })
    this.#added.clear()
  }
}

function newCluster(brokers: readonly string[]): KafkaCluster {
  return new KafkaCluster({
    brokers,
    transport: kafkaTransport('millrace-tests', undefined),
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    unreachableAfterMs: 15_000,
  })
}

/** Runs the script and returns the last word of what it prints. */
function broker(
  commands: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<string> {
  return new Promise((done, failed) => {
    const env = { ...process.env, ...environment, KAFKA_OWNER: String(process.pid) }
    execFile('bash', [script, ...commands], { env }, (error, output, complaint) => {
      if (error === null) done(output.trim())
      else failed(new Error(`broker.sh ${commands.join(' ')}: ${complaint}`, { cause: error }))
    })
  })
}
