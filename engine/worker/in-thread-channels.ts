import type { Doors } from '../base/doors.ts'
import type { ChannelReader, ChannelWriter } from '../channel/channel.ts'
import type { StreamElement } from '../stream/elements.ts'
import type { JobEdge } from '../graph/job-graph.ts'
import type { Channels } from './task-builder.ts'
import { createRing, passCredit, passFrames, RingReader, RingWriter } from '../channel/ring.ts'
import { channelKey, LocalChannels } from './channels.ts'

/** Rings are this small, by chance: records have to wait for room, and come in pieces. */
const RING_BYTES_MIN = 1_024
const RING_DOUBLINGS_MAX = 4
/** One in so many deliveries takes up to so long. */
const LATE_DELIVERY = 40
const LATE_DELIVERY_MS = 30
/** An uneven input rests after so many elements, at most, for so long, at most. */
const UNEVEN_BURST = 8
const UNEVEN_REST_MS = 60

/**
 * The channels of several workers in one thread. Within a worker elements go by reference; between
 * two there are rings, the ones of production, but each side has memory of its own: what the other
 * has done is seen in a later turn, at times much later.
 */
export class InThreadWires {
  readonly #doors: Doors
  readonly #workers: number
  readonly #isUneven: boolean
  readonly #wake: (worker: number) => void
  readonly #wires = new Map<string, Wire>()

  /** `wake` ends the wait of a worker that is parked. */
  constructor(doors: Doors, workers: number, wake: (worker: number) => void, isUneven = false) {
    this.#doors = doors
    this.#workers = workers
    this.#wake = wake
    this.#isUneven = isUneven
  }

  /** The ends that one worker holds. */
  channelsOf(worker: number): Channels {
    const local = new LocalChannels()
    const isOwn = (subtask: number): boolean => subtask % this.#workers === worker
    return {
      writer: (edge, from, to) =>
        isOwn(to) ? local.writer(edge, from, to) : this.#wire(edge, from, to).writer(),
      reader: (edge, from, to) => {
        const reader = isOwn(from)
          ? local.reader(edge, from, to)
          : this.#wire(edge, from, to).reader()
        if (!this.#isUneven) return reader
        return new UnevenReader(reader, this.#doors, () => {
          this.#wake(worker)
        })
      },
    }
  }

  #wire(edge: JobEdge, from: number, to: number): Wire {
    const key = channelKey(edge.id, from, to)
    const known = this.#wires.get(key)
    if (known !== undefined) return known
    const made = new Wire(
      this.#doors,
      () => {
        this.#wake(from % this.#workers)
      },
      () => {
        this.#wake(to % this.#workers)
      },
    )
    this.#wires.set(key, made)
    return made
  }
}

/** An input with a pace of its own: after some elements it shows nothing for a while. */
class UnevenReader implements ChannelReader {
  readonly #reader: ChannelReader
  readonly #clock: Doors['clock']
  readonly #wake: () => void
  readonly #burst: number
  readonly #restMs: number
  #left: number
  #isResting = false

  constructor(reader: ChannelReader, { clock, random }: Doors, wake: () => void) {
    this.#reader = reader
    this.#clock = clock
    this.#wake = wake
    this.#burst = 1 + random.int(UNEVEN_BURST)
    this.#restMs = random.int(UNEVEN_REST_MS)
    this.#left = this.#burst
  }

  hasNext(): boolean {
    return !this.#isResting && this.#reader.hasNext()
  }

  poll(): StreamElement | undefined {
    if (this.#isResting) return undefined
    const element = this.#reader.poll()
    if (element !== undefined) this.#left -= 1
    if (this.#left > 0) return element
    this.#left = this.#burst
    this.#isResting = true
    this.#clock.timer(this.#restMs, () => {
      this.#isResting = false
      this.#wake()
    })
    return element
  }

  release(): void {
    this.#reader.release()
  }
}

class Wire {
  readonly #near: SharedArrayBuffer
  readonly #far: SharedArrayBuffer
  readonly #frames: () => void
  readonly #credit: () => void

  constructor(doors: Doors, wakeWriter: () => void, wakeReader: () => void) {
    const bytes = RING_BYTES_MIN * 2 ** doors.random.int(RING_DOUBLINGS_MAX + 1)
    this.#near = createRing(bytes)
    this.#far = createRing(bytes)
    this.#frames = later(doors, () => {
      passFrames(this.#near, this.#far)
      wakeReader()
    })
    this.#credit = later(doors, () => {
      passCredit(this.#far, this.#near)
      wakeWriter()
    })
  }

  writer(): ChannelWriter {
    return new RingWriter(this.#near, this.#frames)
  }

  reader(): ChannelReader {
    return new RingReader(this.#far, this.#credit)
  }
}

/** Does it once in a later turn, however often it is asked for until then. */
function later({ clock, random }: Doors, work: () => void): () => void {
  let isDue = false
  const turn = (): void => {
    isDue = false
    work()
  }
  return () => {
    if (isDue) return
    isDue = true
    if (random.int(LATE_DELIVERY) === 0) clock.timer(random.int(LATE_DELIVERY_MS), turn)
    else clock.immediate(turn)
  }
}
