import type { ChannelReader, ChannelWriter } from '../channel/channel.ts'
import type { JobEdge } from '../graph/job-graph.ts'
import type { RingDescription } from './protocol.ts'
import type { SharedParking } from './worker-loop.ts'
import { assert } from '../base/assert.ts'
import { LocalChannel } from '../channel/local-channel.ts'
import { RingReader, RingWriter } from '../channel/ring.ts'

/** Channels by reference: both ends are in this thread. */
export class LocalChannels {
  readonly #channels = new Map<string, LocalChannel>()

  writer(edge: JobEdge, from: number, to: number): ChannelWriter {
    return this.#channel(edge, from, to)
  }

  reader(edge: JobEdge, from: number, to: number): ChannelReader {
    return this.#channel(edge, from, to)
  }

  #channel(edge: JobEdge, from: number, to: number): LocalChannel {
    const key = channelKey(edge.id, from, to)
    const known = this.#channels.get(key)
    if (known !== undefined) return known
    const made = new LocalChannel()
    this.#channels.set(key, made)
    return made
  }
}

/** By reference within the worker, over rings to the others. Subtask s of any vertex is on worker s mod workers. */
export class WorkerChannels {
  readonly #local = new LocalChannels()
  readonly #rings = new Map<string, SharedArrayBuffer>()
  readonly #parking: SharedParking
  readonly #worker: number
  readonly #workers: number

  constructor(
    rings: readonly RingDescription[],
    parking: SharedParking,
    worker: number,
    workers: number,
  ) {
    this.#parking = parking
    this.#worker = worker
    this.#workers = workers
    for (const { edge, from, to, buffer } of rings) {
      this.#rings.set(channelKey(edge, from, to), buffer)
    }
  }

  writer(edge: JobEdge, from: number, to: number): ChannelWriter {
    const peer = to % this.#workers
    if (peer === this.#worker) return this.#local.writer(edge, from, to)
    return new RingWriter(this.#ring(edge, from, to), () => {
      this.#parking.wakePeer(peer)
    })
  }

  reader(edge: JobEdge, from: number, to: number): ChannelReader {
    const peer = from % this.#workers
    if (peer === this.#worker) return this.#local.reader(edge, from, to)
    return new RingReader(this.#ring(edge, from, to), () => {
      this.#parking.wakePeer(peer)
    })
  }

  #ring(edge: JobEdge, from: number, to: number): SharedArrayBuffer {
    const ring = this.#rings.get(channelKey(edge.id, from, to))
    assert(ring !== undefined, `no ring for edge ${edge.id} from ${from} to ${to}`)
    return ring
  }
}

export function channelKey(edge: number, from: number, to: number): string {
  return `${edge}:${from}:${to}`
}
