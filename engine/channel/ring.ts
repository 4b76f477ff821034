/**
 * A channel between two threads: a ring in shared memory with one writer and one reader.
 *
 * ```
 * ring    := head: int32, 124 bytes, tail: int32, 124 bytes, data
 * data    := a power of two of bytes, in units of 64
 * frame   := units: int32  kind: int32  length: int32  total: int32  payload
 * payload := batch (wire-schema.ts) | watermark: float64 | idle: float64 | part of a batch
 *          | checkpoint id: float64, stop: float64, drain: float64 | nothing
 * ```
 *
 * Q1. head and tail count units and only grow (as int32, over the edge):
 *     head <= tail <= head + size.
 * Q2. The writer alone moves tail, after the frame is complete; the reader alone moves head, after
 *     it is done with the frame. Each keeps a copy of the other's counter and looks again only
 *     when the copy says stop.
 * Q3. A frame never wraps: what is left at the end is a pad, and pads are followed by a frame.
 * Q4. What is too large for a frame goes as fragments in order, with nothing between them.
 */
import type { CheckpointBarrier, StreamElement } from '../stream/elements.ts'
import type { RecordBatch } from '../stream/record-batch.ts'
import type { Memory } from '../stream/wire-schema.ts'
import type { ChannelReader, ChannelWriter } from './channel.ts'
import { assert } from '../base/assert.ts'
import {
  BATCH_BYTES_MAX,
  EXCHANGE_BYTES_MAX,
  RING_BYTES_MAX,
  RING_BYTES_MIN,
} from '../base/limits.ts'
import { ColumnDecoder, ColumnEncoder } from '../stream/column-codec.ts'
import { align, memoryOf } from '../stream/wire-schema.ts'
import { copiedElement } from './kept-element.ts'

/** Head and tail lie two cache lines apart: neither thread's writes disturb the other's reads. */
const HEAD = 0
const TAIL = 32
const CONTROL_BYTES = 256
const UNIT_BYTES = 64
const FRAME_BYTES = 16

const PAD = -1
const KIND = {
  batch: 1,
  watermark: 2,
  status: 3,
  barrier: 4,
  end: 5,
  fragment: 6,
  lastFragment: 7,
} as const

/** A ring of `bytes` of data, a power of two. Both ends are given the same buffer. */
export function createRing(bytes: number): SharedArrayBuffer {
  assert(bytes >= 4 * UNIT_BYTES && (bytes & (bytes - 1)) === 0)
  return new SharedArrayBuffer(CONTROL_BYTES + bytes)
}

/** Bytes of each ring of an exchange with so many: all together they keep the budget. */
export function ringBytes(channels: number): number {
  const share = EXCHANGE_BYTES_MAX / Math.max(1, channels)
  const power = 2 ** Math.floor(Math.log2(share))
  return Math.min(RING_BYTES_MAX, Math.max(RING_BYTES_MIN, power))
}

export class RingWriter implements ChannelWriter {
  readonly copies = true
  readonly #control: Int32Array
  readonly #memory: Memory
  readonly #bytes: number
  readonly #frameMax: number
  readonly #onCommit: () => void
  readonly #encoder = new ColumnEncoder()
  #tail: number
  #head: number
  /** What did not fit, in order; `#sent` records of the first are out. */
  #waiting: StreamElement[] = []
  #sent = 0
  #fragments: { readonly bytes: Uint8Array; at: number } | undefined

  /** `onCommit` is called after each frame, to wake a reader that has parked. */
  constructor(ring: SharedArrayBuffer, onCommit: () => void = doNothing) {
    this.#control = new Int32Array(ring, 0, CONTROL_BYTES / 4)
    this.#memory = memoryOf(ring, CONTROL_BYTES)
    this.#bytes = ring.byteLength - CONTROL_BYTES
    this.#frameMax = Math.min(BATCH_BYTES_MAX, this.#bytes / 2)
    this.#onCommit = onCommit
    this.#tail = Atomics.load(this.#control, TAIL)
    this.#head = Atomics.load(this.#control, HEAD)
  }

  hasCredit(): boolean {
    return this.#waiting.length === 0 && this.#hasRoom(this.#frameMax)
  }

  send(element: StreamElement): void {
    if (this.#waiting.length > 0 || !this.#write(element)) {
      this.#waiting.push(copiedElement(element))
    }
  }

  drain(): boolean {
    let out = 0
    while (out < this.#waiting.length && this.#write(this.#waiting[out]!)) out += 1
    if (out > 0) this.#waiting = this.#waiting.slice(out)
    return this.#waiting.length === 0
  }

  /** False when it is not out, or only in part. */
  #write(element: StreamElement): boolean {
    switch (element.type) {
      case 'batch':
        return this.#writeBatch(element.batch)
      case 'watermark':
        return this.#writeSmall(KIND.watermark, element.ms, 0, 0)
      case 'status':
        return this.#writeSmall(KIND.status, Number(element.idle), 0, 0)
      case 'barrier': {
        const { checkpointId, stop, drain } = element.barrier
        return this.#writeSmall(KIND.barrier, checkpointId, Number(stop), Number(drain))
      }
      case 'end':
        return this.#writeSmall(KIND.end, 0, 0, 0)
      default:
        return element satisfies never
    }
  }

  #writeSmall(kind: number, first: number, second: number, third: number): boolean {
    const bytes = FRAME_BYTES + 24
    const at = this.#reserve(bytes)
    if (at < 0) return false
    const payload = (at + FRAME_BYTES) >> 3
    this.#memory.float64[payload] = first
    this.#memory.float64[payload + 1] = second
    this.#memory.float64[payload + 2] = third
    this.#commit(at, kind, bytes, 0)
    return true
  }

  #writeBatch(batch: RecordBatch): boolean {
    const encoder = this.#encoder
    while (this.#sent < batch.count || this.#fragments !== undefined) {
      if (this.#fragments !== undefined) {
        if (!this.#writeFragments(this.#fragments)) return false
        this.#fragments = undefined
        continue
      }
      const at = this.#reserve(this.#frameMax)
      if (at < 0) return false
      const room = this.#frameMax - FRAME_BYTES
      const used = encoder.encode(batch, this.#sent, this.#memory, at + FRAME_BYTES, room)
      if (used === 0) {
        this.#fragments = { bytes: this.#encodeAside(batch), at: 0 }
      } else {
        this.#commit(at, KIND.batch, FRAME_BYTES + used, 0)
      }
      encoder.committed()
      this.#sent += encoder.encoded
    }
    this.#sent = 0
    return true
  }

  /** The bytes of at least one record, on the heap. */
  #encodeAside(batch: RecordBatch): Uint8Array {
    for (let room = this.#bytes; ; room *= 2) {
      const memory = memoryOf(new ArrayBuffer(room))
      const used = this.#encoder.encode(batch, this.#sent, memory, 0, room)
      if (used > 0) return memory.bytes.subarray(0, used)
    }
  }

  #writeFragments(fragments: { readonly bytes: Uint8Array; at: number }): boolean {
    const { bytes } = fragments
    while (fragments.at < bytes.length) {
      const at = this.#reserve(this.#frameMax)
      if (at < 0) return false
      const end = Math.min(bytes.length, fragments.at + this.#frameMax - FRAME_BYTES)
      this.#memory.bytes.set(bytes.subarray(fragments.at, end), at + FRAME_BYTES)
      const kind = end === bytes.length ? KIND.lastFragment : KIND.fragment
      this.#commit(at, kind, FRAME_BYTES + end - fragments.at, bytes.length)
      fragments.at = end
    }
    return true
  }

  /** Whether a frame of `bytes` fits, behind a pad where it would wrap. */
  #hasRoom(bytes: number): boolean {
    const needed = this.#padBytes(bytes) + bytes
    if (this.#freeBytes() >= needed) return true
    this.#head = Atomics.load(this.#control, HEAD)
    return this.#freeBytes() >= needed
  }

  #freeBytes(): number {
    return this.#bytes - ((this.#tail - this.#head) | 0) * UNIT_BYTES
  }

  #padBytes(bytes: number): number {
    const rest = this.#bytes - this.#position()
    return rest < bytes ? rest : 0
  }

  #position(): number {
    return (this.#tail & (this.#bytes / UNIT_BYTES - 1)) * UNIT_BYTES
  }

  /** Where a frame of at most `bytes` may be built, or -1. */
  #reserve(bytes: number): number {
    if (!this.#hasRoom(bytes)) return -1
    const pad = this.#padBytes(bytes)
    if (pad > 0) {
      this.#memory.int32[this.#position() >> 2] = PAD
      this.#tail = (this.#tail + pad / UNIT_BYTES) | 0 // Not seen before the frame is (Q3).
    }
    return this.#position()
  }

  #commit(at: number, kind: number, bytes: number, total: number): void {
    const units = Math.ceil(bytes / UNIT_BYTES)
    const { int32 } = this.#memory
    int32[at >> 2] = units
    int32[(at >> 2) + 1] = kind
    int32[(at >> 2) + 2] = bytes - FRAME_BYTES
    int32[(at >> 2) + 3] = total
    this.#tail = (this.#tail + units) | 0
    Atomics.store(this.#control, TAIL, this.#tail)
    this.#onCommit()
  }
}

export class RingReader implements ChannelReader {
  readonly #control: Int32Array
  readonly #memory: Memory
  readonly #bytes: number
  readonly #onRelease: () => void
  readonly #decoder = new ColumnDecoder()
  #head: number
  #tail: number
  /** Units of the element that was polled and not released; -1: none. */
  #polled = -1
  /** A batch that comes in fragments, and how much of it is here. */
  #partial: { readonly memory: Memory; readonly total: number; length: number } | undefined

  /** `onRelease` is called after each frame is given back, to wake a writer that has parked. */
  constructor(ring: SharedArrayBuffer, onRelease: () => void = doNothing) {
    this.#control = new Int32Array(ring, 0, CONTROL_BYTES / 4)
    this.#memory = memoryOf(ring, CONTROL_BYTES)
    this.#bytes = ring.byteLength - CONTROL_BYTES
    this.#onRelease = onRelease
    this.#head = Atomics.load(this.#control, HEAD)
    this.#tail = Atomics.load(this.#control, TAIL)
  }

  hasNext(): boolean {
    return this.#advance()
  }

  poll(): StreamElement | undefined {
    assert(this.#polled < 0, 'a channel was polled before its last element was released')
    if (!this.#advance()) return undefined
    const partial = this.#partial
    if (partial !== undefined) {
      this.#partial = undefined
      this.#polled = 0
      return { type: 'batch', batch: this.#decoder.decode(partial.memory, 0, false) }
    }
    const at = this.#position()
    this.#polled = this.#memory.int32[at >> 2]!
    return this.#element(this.#memory.int32[(at >> 2) + 1]!, at + FRAME_BYTES)
  }

  release(): void {
    assert(this.#polled >= 0, 'a channel was released without an element')
    if (this.#polled > 0) this.#giveBack(this.#polled)
    this.#polled = -1
  }

  /** Goes over pads and takes in fragments. Whether a whole element is there then. */
  #advance(): boolean {
    for (;;) {
      const partial = this.#partial
      if (partial !== undefined && partial.length === partial.total) return true
      if (this.#head === this.#tail) {
        this.#tail = Atomics.load(this.#control, TAIL)
        if (this.#head === this.#tail) return false
      }
      const at = this.#position()
      const units = this.#memory.int32[at >> 2]!
      if (units === PAD) {
        this.#head = (this.#head + (this.#bytes - at) / UNIT_BYTES) | 0
        continue
      }
      const kind = this.#memory.int32[(at >> 2) + 1]!
      if (kind !== KIND.fragment && kind !== KIND.lastFragment) return true
      this.#takeFragment(at, kind === KIND.lastFragment)
      this.#giveBack(units)
    }
  }

  #takeFragment(at: number, isLast: boolean): void {
    const length = this.#memory.int32[(at >> 2) + 2]!
    const total = this.#memory.int32[(at >> 2) + 3]!
    this.#partial ??= { memory: memoryOf(new ArrayBuffer(align(total))), total, length: 0 }
    const partial = this.#partial
    assert(partial.total === total && partial.length + length <= total) // Q4.
    const start = at + FRAME_BYTES
    partial.memory.bytes.set(this.#memory.bytes.subarray(start, start + length), partial.length)
    partial.length += length
    assert(isLast === (partial.length === total))
  }

  #element(kind: number, at: number): StreamElement {
    const { float64 } = this.#memory
    const first = float64[at >> 3]!
    switch (kind) {
      case KIND.batch:
        return { type: 'batch', batch: this.#decoder.decode(this.#memory, at, true) }
      case KIND.watermark:
        return { type: 'watermark', ms: first }
      case KIND.status:
        return { type: 'status', idle: first === 1 }
      case KIND.barrier: {
        const stop = float64[(at >> 3) + 1] === 1
        const drain = float64[(at >> 3) + 2] === 1
        const barrier: CheckpointBarrier = { checkpointId: first, stop, drain }
        return { type: 'barrier', barrier }
      }
      default:
        assert(kind === KIND.end, `a ring holds a frame of the unknown kind ${kind}`)
        return { type: 'end' }
    }
  }

  #position(): number {
    return (this.#head & (this.#bytes / UNIT_BYTES - 1)) * UNIT_BYTES
  }

  #giveBack(units: number): void {
    this.#head = (this.#head + units) | 0
    Atomics.store(this.#control, HEAD, this.#head)
    this.#onRelease()
  }
}

/**
 * For two sides that see each other's memory late, as in a simulation: each has a ring of its own.
 * What the writer has committed in `from` is seen in `to` from now on.
 */
export function passFrames(from: SharedArrayBuffer, to: SharedArrayBuffer): void {
  const [source, target] = [new Int32Array(from), new Int32Array(to)]
  const units = (from.byteLength - CONTROL_BYTES) / UNIT_BYTES
  const tail = source[TAIL]!
  for (let unit = target[TAIL]!; unit !== tail; unit = (unit + 1) | 0) {
    const at = (CONTROL_BYTES + (unit & (units - 1)) * UNIT_BYTES) / Int32Array.BYTES_PER_ELEMENT
    target.set(source.subarray(at, at + UNIT_BYTES / Int32Array.BYTES_PER_ELEMENT), at)
  }
  target[TAIL] = tail
}

/** And what the reader has given back in `from`. */
export function passCredit(from: SharedArrayBuffer, to: SharedArrayBuffer): void {
  new Int32Array(to)[HEAD] = new Int32Array(from)[HEAD]!
}

function doNothing(): void {
  // Nobody to wake.
}
