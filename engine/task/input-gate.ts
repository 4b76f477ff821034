import type { ChannelReader } from '../channel/channel.ts'
import type { CheckpointBarrier } from '../stream/elements.ts'
import type { RecordBatch } from '../stream/record-batch.ts'
import { MIN_WATERMARK } from '../stream/elements.ts'
import { WatermarkValve } from '../time/watermark-valve.ts'
import { BarrierAligner } from './barrier-aligner.ts'

/** One input channel, and which input of the head operator it feeds. */
export interface GateChannel {
  readonly reader: ChannelReader
  readonly input: number
}

/** What the gate found. A batch is valid until `release`. */
export type GateEvent =
  | { readonly type: 'batch'; readonly batch: RecordBatch; readonly input: number }
  | { readonly type: 'watermark'; readonly ms: number }
  | { readonly type: 'idle'; readonly idle: boolean }
  | { readonly type: 'barrier'; readonly barrier: CheckpointBarrier }
  | { readonly type: 'end' }

/**
 * All input channels of one subtask: reads them in turn, skips those blocked by an alignment, and
 * folds their watermarks, statuses, barriers and ends into one of each.
 *
 * G1. A channel is read only while it is not blocked; what is behind its barrier stays in it.
 * G2. The combined watermark is the least of all channels that are neither idle nor ended, over
 *     both inputs. It never goes back, and starts at the restored one.
 * G3. While a batch is read the other channels stand still: before each of its records the combined
 *     watermark is the least of the one that the channel has there and of those of the others. A
 *     batch is handed out with these, and what the channel has reached with it counts from then on.
 * G4. What idle channels have said comes before whatever was sent later through an active one: a
 *     subtask that announces records, and only then lets others go on, is counted in time. What is
 *     behind a barrier of its channel still waits (G1).
 */
export class InputGate {
  readonly #channels: readonly GateChannel[]
  readonly #aligner: BarrierAligner
  readonly #valve: WatermarkValve
  #endedCount = 0
  #turn = 0
  #held: ChannelReader | undefined
  /** Of the batch at hand its channel, and that channel's watermark before the last record. */
  #heldIndex = 0
  #heldMs = MIN_WATERMARK
  readonly #queue: GateEvent[] = []
  readonly #onFirstBarrier: ((barrier: CheckpointBarrier) => void) | undefined

  /** `onFirstBarrier`: the first barrier of a checkpoint is about to block its channel. */
  constructor(
    channels: readonly GateChannel[],
    restoredWatermarkMs: number,
    onFirstBarrier?: (barrier: CheckpointBarrier) => void,
  ) {
    this.#channels = channels
    this.#onFirstBarrier = onFirstBarrier
    this.#aligner = new BarrierAligner(channels.length)
    this.#valve = new WatermarkValve(channels.length, restoredWatermarkMs)
  }

  get aligning(): boolean {
    return this.#aligner.aligning
  }

  get watermarkMs(): number {
    return this.#valve.watermarkMs
  }

  hasNext(): boolean {
    if (this.#queue.length > 0) return true
    for (let index = 0; index < this.#channels.length; index += 1) {
      if (!this.#aligner.isBlocked(index) && this.#channels[index]!.reader.hasNext()) return true
    }
    return false
  }

  /** The next event, or undefined when nothing is here. `release` must be called after each. */
  next(): GateEvent | undefined {
    const queued = this.#queue.shift()
    if (queued !== undefined) return queued
    const count = this.#channels.length
    for (let tried = 0; tried < count; tried += 1) {
      const index = this.#turn
      this.#turn = index + 1 === count ? 0 : index + 1
      if (this.#aligner.isBlocked(index)) continue
      const event =
        (this.#valve.idleCount > 0 ? this.#hearIdle(index) : undefined) ?? this.#poll(index)
      if (event !== undefined) return event
    }
    return this.#queue.shift()
  }

  /** G4: before the channel of that index is read. Whether it has something is looked at first. */
  #hearIdle(index: number): GateEvent | undefined {
    const channels = this.#channels
    if (this.#valve.isIdle(index) || !channels[index]!.reader.hasNext()) return undefined
    for (let other = 0; other < channels.length; other += 1) {
      while (this.#valve.isIdle(other) && !this.#aligner.isBlocked(other)) {
        if (!channels[other]!.reader.hasNext()) break
        const event = this.#poll(other)
        if (event === undefined) continue
        this.#turn = index
        return event
      }
    }
    return undefined
  }

  release(): void {
    if (this.#held === undefined) return
    const reader = this.#held
    this.#held = undefined
    reader.release()
    const ms = this.#valve.onWatermark(this.#heldIndex, this.#heldMs)
    if (ms !== undefined) this.#queue.push({ type: 'watermark', ms })
  }

  #poll(index: number): GateEvent | undefined {
    const channel = this.#channels[index]!
    const element = channel.reader.poll()
    if (element === undefined) return undefined
    if (element.type === 'batch') {
      this.#held = channel.reader
      return { type: 'batch', batch: this.#placed(element.batch, index), input: channel.input }
    }
    channel.reader.release()
    switch (element.type) {
      case 'watermark':
        return this.#watermark(this.#valve.onWatermark(index, element.ms))
      case 'status': {
        const change = this.#valve.onStatus(index, element.idle)
        if (change.idle !== undefined) this.#queue.push({ type: 'idle', idle: change.idle })
        return this.#watermark(change.watermarkMs)
      }
      case 'barrier': {
        if (this.#aligner.isFirst(element.barrier)) this.#onFirstBarrier?.(element.barrier)
        const barrier = this.#aligner.onBarrier(index, element.barrier)
        return barrier === undefined ? undefined : { type: 'barrier', barrier }
      }
      case 'end':
        return this.#end(index)
      default:
        return element satisfies never
    }
  }

  /** G3. */
  #placed(batch: RecordBatch, index: number): RecordBatch {
    const { watermarks, count } = batch
    this.#heldIndex = index
    this.#heldMs = watermarks === undefined ? MIN_WATERMARK : watermarks[count - 1]!
    if (watermarks === undefined) return batch
    const floorMs = this.#valve.watermarkMs
    const othersMs = this.#valve.leastOfOthers(index)
    if (watermarks[0]! >= floorMs && this.#heldMs <= othersMs) return batch
    const combined = new Float64Array(count)
    for (let at = 0; at < count; at += 1) {
      combined[at] = Math.max(floorMs, Math.min(watermarks[at]!, othersMs))
    }
    return batch.withWatermarks(combined)
  }

  #end(index: number): GateEvent | undefined {
    this.#endedCount += 1
    const change = this.#valve.onEnd(index)
    if (change.idle !== undefined) this.#queue.push({ type: 'idle', idle: change.idle })
    if (this.#endedCount === this.#channels.length) this.#queue.push({ type: 'end' })
    return this.#watermark(change.watermarkMs)
  }

  #watermark(ms: number | undefined): GateEvent | undefined {
    return ms === undefined ? undefined : { type: 'watermark', ms }
  }
}
