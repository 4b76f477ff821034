import type { Clock, Doors, Random } from '../../engine/index.ts'
import type { KafkaConnection, KafkaTransport } from './kafka-client.ts'
import type { BatchOptions, ProducedRecord } from './record-batch-encoder.ts'
import type { AbortedRange } from './simulated-log.ts'
import { gone, SimulatedConnection } from './simulated-connection.ts'
import { SimulatedLog } from './simulated-log.ts'
import { WireReader, WireWriter } from './wire.ts'

type World = Pick<Doors, 'clock' | 'random'>

interface Topic {
  readonly name: string
  readonly id: string
  readonly partitions: readonly SimulatedLog[]
}

interface Node {
  isUp: boolean
  readonly connections: Set<SimulatedConnection>
}

/**
 * A cluster in memory behind the door of `KafkaTransport`: metadata, offsets and fetches as a real
 * one answers them, and hands to move leaders, drop connections and stop brokers. Transactions are
 * whole when they come into the log; of groups there are committed offsets only.
 */
export class SimulatedKafka implements KafkaTransport {
  readonly addresses: readonly string[]
  /** Chance that a request loses its connection, half of the time after it was handled. */
  dropChance = 0
  /** What groups have committed, by group and partition as `group topic-0`. */
  readonly groupOffsets = new Map<string, number>()
  /** Bytes of records sent by fetches so far. */
  fetchedBytes = 0
  readonly #world: World
  readonly #nodes: Node[]
  readonly #topics = new Map<string, Topic>()

  constructor(nodes: number, clock: Clock, random: Random) {
    this.#world = { clock, random }
    this.#nodes = Array.from({ length: nodes }, () => ({ isUp: true, connections: new Set() }))
    this.addresses = this.#nodes.map((_, node) => addressOf(node))
  }

  createTopic(name: string, partitions: number): void {
    const id = Buffer.from(this.#world.random.hex(16), 'hex').toString('base64url')
    const nodes = this.#nodes.length
    const made = Array.from({ length: partitions }, (_, index) => new SimulatedLog(index % nodes))
    this.addTopic(name, id, made)
  }

  /** One whose partitions hold something already. */
  addTopic(name: string, id: string, partitions: readonly SimulatedLog[]): void {
    this.#topics.set(name, { name, id, partitions })
  }

  deleteTopic(name: string): void {
    this.#topics.delete(name)
  }

  produce(
    name: string,
    partition: number,
    values: readonly string[],
    options: BatchOptions = {},
  ): void {
    this.#log(name, partition).append(recordsOf(values), options)
  }

  /** A transaction of one batch or none, and what ends it. Readers skip an aborted one. */
  transaction(
    name: string,
    partition: number,
    values: readonly string[],
    producerId: number,
    end: 'commit' | 'abort',
  ): void {
    this.#log(name, partition).transaction(recordsOf(values), producerId, end)
  }

  /** The same cluster for a life with a clock and chance of its own. */
  over({ clock, random }: World): KafkaTransport {
    return { connect: (address) => this.#connect(address, { clock, random }) }
  }

  /** -1: nobody leads. */
  moveLeader(name: string, partition: number, node: number): void {
    this.#log(name, partition).leader = node
  }

  stop(node: number): void {
    this.#nodes[node]!.isUp = false
    for (const connection of this.#nodes[node]!.connections) connection.close()
  }

  start(node: number): void {
    this.#nodes[node]!.isUp = true
  }

  get openConnections(): number {
    return this.#nodes.reduce((count, node) => count + node.connections.size, 0)
  }

  connect(address: string): Promise<KafkaConnection> {
    return this.#connect(address, this.#world)
  }

  #log(name: string, partition: number): SimulatedLog {
    return this.#topics.get(name)!.partitions[partition]!
  }

  async #connect(address: string, world: World): Promise<KafkaConnection> {
    await turnOf(world)
    const index = this.addresses.indexOf(address)
    const node = this.#nodes[index]
    if (node?.isUp !== true) throw gone(address)
    return new SimulatedConnection(address, node.connections, (apiKey, body) =>
      this.#handle(world, index, apiKey, body),
    )
  }

  async #handle(world: World, node: number, apiKey: number, body: Uint8Array): Promise<Uint8Array> {
    const { random } = world
    await turnOf(world)
    const drops = random.next() < this.dropChance
    if (drops && random.next() < 0.5) throw gone(addressOf(node))
    const response = await this.#answer(world, node, apiKey, body)
    if (drops) throw gone(addressOf(node))
    return response
  }

  #answer(
    world: World,
    node: number,
    apiKey: number,
    body: Uint8Array,
  ): Promise<Uint8Array> | Uint8Array {
    switch (apiKey) {
      case 1:
        return this.#fetch(world, node, new WireReader(body, true))
      case 2:
        return this.#listOffsets(node, new WireReader(body, false))
      case 3:
        return this.#metadata(new WireReader(body, true))
      case 8:
        return this.#commitOffsets(new WireReader(body, false))
      case 10:
        return this.#coordinator(node)
      default:
        throw new Error(`request ${apiKey} is not simulated`)
    }
  }

  #metadata(reader: WireReader): Uint8Array {
    const names = reader.array(() => {
      reader.uuid()
      const name = reader.string() ?? ''
      reader.tags()
      return name
    })
    const writer = new WireWriter(true).int32(0)
    const up = this.#nodes.flatMap((node, index) => (node.isUp ? [index] : []))
    writer.array(up, (node) => {
      const [host, port] = addressOf(node).split(':') as [string, string]
      writer.int32(node).string(host).int32(Number(port)).string(null).tags()
    })
    writer.string('simulated').int32(0)
    writer.array(names, (name) => {
      this.#writeTopic(writer, name)
    })
    return writer.tags().finish()
  }

  #writeTopic(writer: WireWriter, name: string): void {
    const topic = this.#topics.get(name)
    const id = topic?.id ?? Buffer.alloc(16).toString('base64url')
    writer
      .int16(topic === undefined ? 3 : 0)
      .string(name)
      .uuid(id)
      .boolean(false)
    const numbered = (topic?.partitions ?? []).map((log, partition) => ({ log, partition }))
    writer.array(numbered, ({ log, partition }) => {
      const leader = this.#nodes[log.leader]?.isUp === true ? log.leader : -1
      writer
        .int16(leader < 0 ? 5 : 0)
        .int32(partition)
        .int32(leader)
        .int32(0)
      for (let list = 0; list < 3; list += 1) writer.array([], () => undefined)
      writer.tags()
    })
    writer.int32(0).tags()
  }

  #listOffsets(node: number, reader: WireReader): Uint8Array {
    reader.int32()
    reader.int8()
    const writer = new WireWriter(false).int32(0)
    const asked = reader.array(() => {
      const name = reader.string() ?? ''
      const partitions = reader.array(() => {
        const partition = reader.int32()
        reader.int32()
        return { partition, timestampMs: reader.int64() }
      })
      return { name, partitions }
    })
    writer.array(asked, ({ name, partitions }) => {
      writer.string(name).array(partitions, ({ partition, timestampMs }) => {
        const log = this.#topics.get(name)?.partitions[partition]
        const error = log === undefined ? 3 : log.leader === node ? 0 : 6
        const offset = timestampMs === -2 ? log?.start : log?.end
        writer
          .int32(partition)
          .int16(error)
          .int64(-1)
          .int64(offset ?? -1)
          .int32(0)
      })
    })
    return writer.finish()
  }

  /** Every node coordinates every group. */
  #coordinator(node: number): Uint8Array {
    const [host, port] = addressOf(node).split(':') as [string, string]
    const writer = new WireWriter(false).int32(0).int16(0).string(null)
    return writer.int32(node).string(host).int32(Number(port)).finish()
  }

  /** Taken note of, and never read: the positions that count are in the checkpoint. */
  #commitOffsets(reader: WireReader): Uint8Array {
    const group = reader.string() ?? ''
    reader.int32()
    reader.string()
    reader.string()
    const writer = new WireWriter(false).int32(0)
    const committed = reader.array(() => {
      const topic = reader.string() ?? ''
      const partitions = reader.array(() => {
        const partition = reader.int32()
        this.groupOffsets.set(`${group} ${topic}-${partition}`, reader.int64())
        reader.int32()
        reader.string()
        return partition
      })
      return { topic, partitions }
    })
    writer.array(committed, ({ topic, partitions }) => {
      writer.string(topic).array(partitions, (partition) => {
        writer.int32(partition).int16(0)
      })
    })
    return writer.finish()
  }

  async #fetch(world: World, node: number, reader: WireReader): Promise<Uint8Array> {
    reader.int32()
    const waitMs = reader.int32()
    reader.int32()
    let room = reader.int32()
    reader.int8()
    reader.int32()
    reader.int32()
    const asked = reader.array(() => {
      const topicId = reader.uuid()
      const partitions = reader.array(() => {
        const partition = reader.int32()
        reader.int32()
        const offset = reader.int64()
        reader.int32()
        reader.int64()
        const bytesMax = reader.int32()
        reader.tags()
        return { topicId, partition, offset, bytesMax }
      })
      reader.tags()
      return partitions
    })
    const look = (): readonly Fetched[] => {
      let left = room
      return asked.flat().map((each) => {
        const fetched = this.#fetchPartition(node, each, left)
        left -= fetched.records.length
        return fetched
      })
    }
    let found = look()
    if (found.every((each) => each.error === 0 && each.records.length === 0)) {
      await world.clock.sleep(Math.min(waitMs, 10))
      found = look()
    }
    for (const each of found) room -= each.records.length
    return this.#writeFetched(found)
  }

  #fetchPartition(
    node: number,
    asked: {
      readonly topicId: string
      readonly partition: number
      readonly offset: number
      readonly bytesMax: number
    },
    room: number,
  ): Fetched {
    const topic = [...this.#topics.values()].find((each) => each.id === asked.topicId)
    const log = topic?.partitions[asked.partition]
    const nothing = { ...asked, records: Buffer.alloc(0), aborted: [], end: log?.end ?? -1 }
    if (log === undefined) return { ...nothing, error: 100 }
    if (log.leader !== node) return { ...nothing, error: 6 }
    if (asked.offset < log.start || asked.offset > log.end) return { ...nothing, error: 1 }
    const records = log.fetch(asked.offset, Math.min(asked.bytesMax, room))
    this.fetchedBytes += records.length
    const aborted = log.aborted.filter(({ endOffset }) => endOffset > asked.offset)
    return { ...nothing, error: 0, aborted, records }
  }

  #writeFetched(found: readonly Fetched[]): Uint8Array {
    const writer = new WireWriter(true).int32(0).int16(0).int32(0)
    writer.array(found, (each) => {
      writer.uuid(each.topicId).array([each], () => {
        writer.int32(each.partition).int16(each.error)
        writer.int64(each.end).int64(each.end).int64(0)
        writer.array(each.aborted, ({ producerId, firstOffset }) => {
          writer.int64(producerId).int64(firstOffset).tags()
        })
        writer.int32(-1)
        writer.bytes(each.records).tags()
      })
      writer.tags()
    })
    return writer.tags().finish()
  }
}

interface Fetched {
  readonly topicId: string
  readonly partition: number
  readonly error: number
  readonly end: number
  readonly records: Buffer
  readonly aborted: readonly AbortedRange[]
}

function turnOf({ clock }: World): Promise<void> {
  return new Promise((resolve) => {
    clock.immediate(resolve)
  })
}

function recordsOf(values: readonly string[]): readonly ProducedRecord[] {
  return values.map((value) => ({ value }))
}

function addressOf(node: number): string {
  return `kafka-${node}:9092`
}
