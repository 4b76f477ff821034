import type { Doors, FaultPlace, FaultProbe } from '../../engine/index.ts'
import type { KafkaConnection } from './kafka-client.ts'
import { WireReader, WireWriter } from './wire.ts'

/**
 * The five requests of a reader, each in the one version it is sent in. Fetch goes by topic id:
 * a topic that was deleted and made again under its old name answers with an error, where a fetch
 * by name would silently read the new one.
 */
export interface Api<Request, Response> {
  readonly key: number
  readonly version: number
  encode(request: Request): Uint8Array
  decode(bytes: Uint8Array): Response
}

export async function call<Request, Response>(
  connection: KafkaConnection,
  api: Api<Request, Response>,
  request: Request,
  watch: FaultWatch | undefined,
): Promise<Response> {
  if (watch === undefined) {
    return api.decode(await connection.send(api.key, api.version, api.encode(request)))
  }
  const place = { ...watch.place, what: REQUEST_NAMES[api.key] ?? `request ${api.key}` }
  await watch.faults.hold('kafka.request', place)
  const bytes = await connection.send(api.key, api.version, api.encode(request))
  await watch.faults.hold('kafka.response', place)
  return api.decode(bytes)
}

const REQUEST_NAMES: Readonly<Record<number, string>> = {
  1: 'fetch',
  2: 'list offsets',
  3: 'metadata',
  8: 'offset commit',
  10: 'find coordinator',
}

/** Who asks, in runs that are broken on purpose. */
export interface FaultWatch {
  readonly faults: FaultProbe
  readonly place: FaultPlace
}

export function watchOf(
  { faults }: Doors,
  place: FaultPlace,
): { readonly watch: FaultWatch | undefined } {
  return { watch: faults === undefined ? undefined : { faults, place } }
}

const NO_TOPIC_ID = Buffer.alloc(16).toString('base64url')

export interface ClusterMetadata {
  /** Address of each broker by its id. */
  readonly brokers: ReadonlyMap<number, string>
  readonly topics: readonly TopicMetadata[]
}

export interface TopicMetadata {
  readonly error: number
  readonly name: string
  /** Kafka's own writing of the id: base64url. */
  readonly id: string
  readonly partitions: readonly PartitionMetadata[]
}

export interface PartitionMetadata {
  readonly error: number
  readonly partition: number
  /** -1 while there is none. */
  readonly leader: number
}

export const METADATA: Api<readonly string[], ClusterMetadata> = {
  key: 3,
  version: 12,
  encode(topics) {
    const writer = new WireWriter(true)
    writer.array(topics, (topic) => {
      writer.uuid(NO_TOPIC_ID).string(topic).tags()
    })
    return writer.boolean(false).boolean(false).tags().finish()
  },
  decode(bytes) {
    const reader = new WireReader(bytes, true)
    reader.int32()
    const brokers = reader.array(() => readBroker(reader))
    reader.string()
    reader.int32()
    return { brokers: new Map(brokers), topics: reader.array(() => readTopic(reader)) }
  },
}

function readBroker(reader: WireReader): [number, string] {
  const id = reader.int32()
  const host = reader.string() ?? ''
  const port = reader.int32()
  reader.string()
  reader.tags()
  return [id, `${host}:${port}`]
}

function readTopic(reader: WireReader): TopicMetadata {
  const error = reader.int16()
  const name = reader.string() ?? ''
  const id = reader.uuid()
  reader.boolean()
  const partitions = reader.array(() => {
    const partitionError = reader.int16()
    const partition = reader.int32()
    const leader = reader.int32()
    reader.int32()
    for (let list = 0; list < 3; list += 1) reader.array(() => reader.int32())
    reader.tags()
    return { error: partitionError, partition, leader }
  })
  reader.int32()
  reader.tags()
  return { error, name, id, partitions }
}

/** `timestampMs` is a time, or one of these. */
export const LATEST_TIMESTAMP = -1
export const EARLIEST_TIMESTAMP = -2

export interface ListOffsetsRequest {
  /** With `committed` the latest offset is the last stable one, else the high watermark. */
  readonly committed: boolean
  readonly topic: string
  readonly partitions: readonly { readonly partition: number; readonly timestampMs: number }[]
}

export interface ListedOffset {
  readonly error: number
  readonly partition: number
  /** -1: no record at or after the time. */
  readonly offset: number
}

export const LIST_OFFSETS: Api<ListOffsetsRequest, readonly ListedOffset[]> = {
  key: 2,
  version: 5,
  encode({ committed, topic, partitions }) {
    const writer = new WireWriter(false)
    writer.int32(-1).int8(committed ? 1 : 0)
    writer.array([topic], (name) => {
      writer.string(name).array(partitions, ({ partition, timestampMs }) => {
        writer.int32(partition).int32(-1).int64(timestampMs)
      })
    })
    return writer.finish()
  },
  decode(bytes) {
    const reader = new WireReader(bytes, false)
    reader.int32()
    const topics = reader.array(() => {
      reader.string()
      return reader.array(() => {
        const partition = reader.int32()
        const error = reader.int16()
        reader.int64()
        const offset = reader.int64()
        reader.int32()
        return { partition, error, offset }
      })
    })
    return topics.flat()
  },
}

export interface FetchRequest {
  readonly waitMs: number
  readonly bytesMax: number
  readonly partitionBytesMax: number
  readonly partitions: readonly FetchPartition[]
}

export interface FetchPartition {
  readonly topicId: string
  readonly partition: number
  readonly offset: number
}

export interface FetchResponse {
  readonly error: number
  readonly partitions: readonly FetchedPartition[]
}

export interface FetchedPartition {
  readonly topicId: string
  readonly partition: number
  readonly error: number
  readonly highWatermark: number
  readonly logStart: number
  readonly aborted: readonly AbortedTransaction[]
  /** A view of the response: whole record batches, and at its end perhaps the part of one. */
  readonly records: Buffer
}

export interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: number
}

const READ_COMMITTED = 1

export const FETCH: Api<FetchRequest, FetchResponse> = {
  key: 1,
  version: 13,
  encode({ waitMs, bytesMax, partitionBytesMax, partitions }) {
    const writer = new WireWriter(true)
    writer.int32(-1).int32(waitMs).int32(1).int32(bytesMax).int8(READ_COMMITTED)
    writer.int32(0).int32(-1) // No fetch session: each request says all that is wanted.
    writer.array(partitions, ({ topicId, partition, offset }) => {
      writer.uuid(topicId).array([partition], () => {
        writer.int32(partition).int32(-1).int64(offset).int32(-1).int64(-1)
        writer.int32(partitionBytesMax).tags()
      })
      writer.tags()
    })
    return writer
      .array([], () => undefined)
      .string('')
      .tags()
      .finish()
  },
  decode(bytes) {
    const reader = new WireReader(bytes, true)
    reader.int32()
    const error = reader.int16()
    reader.int32()
    const topics = reader.array(() => {
      const topicId = reader.uuid()
      const partitions = reader.array(() => readFetched(reader, topicId))
      reader.tags()
      return partitions
    })
    return { error, partitions: topics.flat() }
  },
}

function readFetched(reader: WireReader, topicId: string): FetchedPartition {
  const partition = reader.int32()
  const error = reader.int16()
  const highWatermark = reader.int64()
  reader.int64()
  const logStart = reader.int64()
  const aborted = reader.array(() => {
    const producerId = reader.int64()
    const firstOffset = reader.int64()
    reader.tags()
    return { producerId, firstOffset }
  })
  reader.int32()
  const records = reader.bytes()
  reader.tags()
  return { topicId, partition, error, highWatermark, logStart, aborted, records }
}

export interface Coordinator {
  readonly error: number
  readonly address: string
}

/** Of a group. */
export const FIND_COORDINATOR: Api<string, Coordinator> = {
  key: 10,
  version: 2,
  encode: (groupId) => new WireWriter(false).string(groupId).int8(0).finish(),
  decode(bytes) {
    const reader = new WireReader(bytes, false)
    reader.int32()
    const error = reader.int16()
    reader.string()
    reader.int32()
    const host = reader.string() ?? ''
    return { error, address: `${host}:${reader.int32()}` }
  },
}

export interface OffsetCommitRequest {
  readonly groupId: string
  readonly topics: readonly {
    readonly topic: string
    readonly partitions: readonly { readonly partition: number; readonly offset: number }[]
  }[]
}

/** Commits as a consumer outside of any group protocol; answers with one error a partition. */
export const OFFSET_COMMIT: Api<OffsetCommitRequest, readonly number[]> = {
  key: 8,
  version: 7,
  encode({ groupId, topics }) {
    const writer = new WireWriter(false)
    writer.string(groupId).int32(-1).string('').string(null)
    writer.array(topics, ({ topic, partitions }) => {
      writer.string(topic).array(partitions, ({ partition, offset }) => {
        writer.int32(partition).int64(offset).int32(-1).string(null)
      })
    })
    return writer.finish()
  },
  decode(bytes) {
    const reader = new WireReader(bytes, false)
    reader.int32()
    const topics = reader.array(() => {
      reader.string()
      return reader.array(() => {
        reader.int32()
        return reader.int16()
      })
    })
    return topics.flat()
  },
}

/** Codes of Kafka's protocol that are told apart here. */
export const PROTOCOL_ERRORS = {
  NONE: 0,
  OFFSET_OUT_OF_RANGE: 1,
  CORRUPT_MESSAGE: 2,
  UNKNOWN_TOPIC_OR_PARTITION: 3,
  UNKNOWN_TOPIC_ID: 100,
  INCONSISTENT_TOPIC_ID: 103,
} as const

/** Errors that waiting may heal: leaders and coordinators move, brokers load and store. */
const TRANSIENT = new Set([
  -1, 2, 3, 5, 6, 7, 9, 13, 14, 15, 16, 56, 74, 75, 76, 78, 79, 84, 100, 103,
])

export function isTransient(error: number): boolean {
  return TRANSIENT.has(error)
}

const NAMES: Readonly<Record<number, string>> = {
  [-1]: 'UNKNOWN_SERVER_ERROR',
  1: 'OFFSET_OUT_OF_RANGE',
  2: 'CORRUPT_MESSAGE',
  3: 'UNKNOWN_TOPIC_OR_PARTITION',
  5: 'LEADER_NOT_AVAILABLE',
  6: 'NOT_LEADER_OR_FOLLOWER',
  14: 'COORDINATOR_LOAD_IN_PROGRESS',
  15: 'COORDINATOR_NOT_AVAILABLE',
  16: 'NOT_COORDINATOR',
  17: 'INVALID_TOPIC_EXCEPTION',
  25: 'UNKNOWN_MEMBER_ID',
  29: 'TOPIC_AUTHORIZATION_FAILED',
  30: 'GROUP_AUTHORIZATION_FAILED',
  31: 'CLUSTER_AUTHORIZATION_FAILED',
  35: 'UNSUPPORTED_VERSION',
  74: 'FENCED_LEADER_EPOCH',
  78: 'OFFSET_NOT_AVAILABLE',
  100: 'UNKNOWN_TOPIC_ID',
  103: 'INCONSISTENT_TOPIC_ID',
}

export function errorName(error: number): string {
  return NAMES[error] ?? `error ${error}`
}
