import type { Api } from '../../connectors/kafka/requests.ts'
import { WireReader, WireWriter } from '../../connectors/kafka/wire.ts'

/** Requests that only tests make: topics made and removed, records and transactions written. */

export const CREATE_TOPIC: Api<
  { readonly topic: string; readonly partitions: number; readonly config: Record<string, string> },
  number
> = {
  key: 19,
  version: 4,
  encode({ topic, partitions, config }) {
    const writer = new WireWriter(false)
    writer.array([topic], (name) => {
      writer.string(name).int32(partitions).int16(1)
      writer.array([], () => undefined)
      writer.array(Object.entries(config), ([key, value]) => {
        writer.string(key).string(value)
      })
    })
    return writer.int32(10_000).boolean(false).finish()
  },
  decode(bytes) {
    const reader = new WireReader(bytes, false)
    reader.int32()
    const errors = reader.array(() => {
      reader.string()
      const error = reader.int16()
      reader.string()
      return error
    })
    return errors[0]!
  },
}

export const DELETE_TOPIC: Api<string, number> = {
  key: 20,
  version: 3,
  encode: (topic) => {
    const writer = new WireWriter(false)
    return writer
      .array([topic], (name) => writer.string(name))
      .int32(10_000)
      .finish()
  },
  decode(bytes) {
    const reader = new WireReader(bytes, false)
    reader.int32()
    const errors = reader.array(() => {
      reader.string()
      return reader.int16()
    })
    return errors[0]!
  },
}

export const CREATE_PARTITIONS: Api<{ readonly topic: string; readonly count: number }, number> = {
  key: 37,
  version: 1,
  encode({ topic, count }) {
    const writer = new WireWriter(false)
    writer.array([topic], (name) => writer.string(name).int32(count).int32(-1))
    return writer.int32(10_000).boolean(false).finish()
  },
  decode(bytes) {
    const reader = new WireReader(bytes, false)
    reader.int32()
    const errors = reader.array(() => {
      reader.string()
      const error = reader.int16()
      reader.string()
      return error
    })
    return errors[0]!
  },
}

export const DELETE_RECORDS: Api<
  { readonly topic: string; readonly partition: number; readonly before: number },
  number
> = {
  key: 21,
  version: 1,
  encode({ topic, partition, before }) {
    const writer = new WireWriter(false)
    writer.array([topic], (name) => {
      writer.string(name).array([partition], (each) => writer.int32(each).int64(before))
    })
    return writer.int32(10_000).finish()
  },
  decode(bytes) {
    const reader = new WireReader(bytes, false)
    reader.int32()
    const errors = reader.array(() => {
      reader.string()
      return reader.array(() => {
        reader.int32()
        reader.int64()
        return reader.int16()
      })
    })
    return errors.flat()[0]!
  },
}

export const PRODUCE: Api<
  {
    readonly transactionalId: string | null
    readonly topic: string
    readonly partition: number
    readonly batches: Uint8Array
  },
  { readonly error: number; readonly baseOffset: number }
> = {
  key: 0,
  version: 7,
  encode({ transactionalId, topic, partition, batches }) {
    const writer = new WireWriter(false)
    writer.string(transactionalId).int16(-1).int32(30_000)
    writer.array([topic], (name) => {
      writer.string(name).array([partition], (each) => writer.int32(each).bytes(batches))
    })
    return writer.finish()
  },
  decode(bytes) {
    const reader = new WireReader(bytes, false)
    const found = reader.array(() => {
      reader.string()
      return reader.array(() => {
        reader.int32()
        const error = reader.int16()
        const baseOffset = reader.int64()
        reader.int64()
        reader.int64()
        return { error, baseOffset }
      })
    })
    return found.flat()[0]!
  },
}

export const FIND_TRANSACTION_COORDINATOR: Api<string, number> = {
  key: 10,
  version: 2,
  encode: (id) => new WireWriter(false).string(id).int8(1).finish(),
  decode(bytes) {
    const reader = new WireReader(bytes, false)
    reader.int32()
    return reader.int16()
  },
}

export const INIT_PRODUCER_ID: Api<
  { readonly transactionalId: string; readonly timeoutMs: number },
  { readonly error: number; readonly producerId: number; readonly producerEpoch: number }
> = {
  key: 22,
  version: 1,
  encode: ({ transactionalId, timeoutMs }) =>
    new WireWriter(false).string(transactionalId).int32(timeoutMs).finish(),
  decode(bytes) {
    const reader = new WireReader(bytes, false)
    reader.int32()
    return { error: reader.int16(), producerId: reader.int64(), producerEpoch: reader.int16() }
  },
}

interface TransactionKey {
  readonly transactionalId: string
  readonly producerId: number
  readonly producerEpoch: number
}

export const ADD_PARTITION_TO_TRANSACTION: Api<
  TransactionKey & { readonly topic: string; readonly partition: number },
  number
> = {
  key: 24,
  version: 1,
  encode({ transactionalId, producerId, producerEpoch, topic, partition }) {
    const writer = new WireWriter(false)
    writer.string(transactionalId).int64(producerId).int16(producerEpoch)
    writer.array([topic], (name) => {
      writer.string(name).array([partition], (each) => writer.int32(each))
    })
    return writer.finish()
  },
  decode(bytes) {
    const reader = new WireReader(bytes, false)
    reader.int32()
    const errors = reader.array(() => {
      reader.string()
      return reader.array(() => {
        reader.int32()
        return reader.int16()
      })
    })
    return errors.flat()[0]!
  },
}

export const END_TRANSACTION: Api<TransactionKey & { readonly commit: boolean }, number> = {
  key: 26,
  version: 1,
  encode: ({ transactionalId, producerId, producerEpoch, commit }) =>
    new WireWriter(false)
      .string(transactionalId)
      .int64(producerId)
      .int16(producerEpoch)
      .boolean(commit)
      .finish(),
  decode(bytes) {
    const reader = new WireReader(bytes, false)
    reader.int32()
    return reader.int16()
  },
}

/** Committed offset of one partition of a group; -1: none. */
export const OFFSET_FETCH: Api<
  { readonly groupId: string; readonly topic: string; readonly partition: number },
  number
> = {
  key: 9,
  version: 5,
  encode({ groupId, topic, partition }) {
    const writer = new WireWriter(false)
    writer.string(groupId).array([topic], (name) => {
      writer.string(name).array([partition], (each) => writer.int32(each))
    })
    return writer.finish()
  },
  decode(bytes) {
    const reader = new WireReader(bytes, false)
    reader.int32()
    const offsets = reader.array(() => {
      reader.string()
      return reader.array(() => {
        reader.int32()
        const offset = reader.int64()
        reader.int32()
        reader.string()
        reader.int16()
        return offset
      })
    })
    return offsets.flat()[0] ?? -1
  },
}
