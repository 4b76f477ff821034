import type { Doors } from '../base/doors.ts'
import type { ChannelReader, ChannelWriter } from '../channel/channel.ts'
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

/**
 * The channels of several workers in one thread. Within a worker elements go by reference; between
 * two there are rings, the ones of production, but each side has memory of its own: what the other
 * has done is seen in a later turn, at times much later.
 */
export class InThreadWires {
  readonly #doors: Doors
  readonly #workers: number
  readonly #wake: (worker: number) => void
  readonly #wires = new Map<string, Wire>()

  /** `wake` ends the wait of a worker that is parked. */
  constructor(doors: Doors, workers: number, wake: (worker: number) => void) {
    this.#doors = doors
    this.#workers = workers
    this.#wake = wake
  }

  /** The ends that one worker holds. */
  channelsOf(worker: number): Channels {
    const local = new LocalChannels()
    const isOwn = (subtask: number): boolean => subtask % this.#workers === worker
    return {
      writer: (edge, from, to) =>
        isOwn(to) ? local.writer(edge, from, to) : this.#wire(edge, from, to).writer(),
      reader: (edge, from, to) =>
        isOwn(from) ? local.reader(edge, from, to) : this.#wire(edge, from, to).reader(),
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
