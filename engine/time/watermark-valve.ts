import { assert } from '../base/assert.ts'
import { MAX_WATERMARK, MIN_WATERMARK } from '../stream/elements.ts'

/** What a channel's change of status means for all of them together. Undefined: no change. */
export interface StatusChange {
  readonly idle: boolean | undefined
  readonly watermarkMs: number | undefined
}

/**
 * Folds the watermarks and statuses of several channels into one of each.
 *
 * V1. The combined watermark is the least of the channels that are neither idle nor ended; with all
 *     of those idle it is the greatest of the open ones; with all ended it is MAX_WATERMARK.
 * V2. It never goes back: a channel that returns from idle behind it holds it where it is.
 * V3. An ended channel neither holds the others back nor pulls them on: as long as one channel is
 *     open, be it idle, the end of time has not come.
 * V4. All together are idle when every open channel is, and at least one is open.
 */
export class WatermarkValve {
  readonly #watermarks: Float64Array
  readonly #idle: Uint8Array
  #watermarkMs: number
  #idleCount = 0
  #allIdle = false

  constructor(channels: number, restoredMs = MIN_WATERMARK) {
    assert(channels > 0, 'a valve without channels')
    this.#watermarks = new Float64Array(channels).fill(MIN_WATERMARK)
    this.#idle = new Uint8Array(channels)
    this.#watermarkMs = restoredMs
  }

  /** The combined watermark. */
  get watermarkMs(): number {
    return this.#watermarkMs
  }

  /** Least watermark of the channels that hold this one back; Infinity: there are none. */
  leastOfOthers(channel: number): number {
    let least = Infinity
    for (let other = 0; other < this.#watermarks.length; other += 1) {
      const ms = this.#watermarks[other]!
      if (other === channel || this.#idle[other] === 1 || ms === MAX_WATERMARK) continue
      if (ms < least) least = ms
    }
    return least
  }

  get idle(): boolean {
    return this.#allIdle
  }

  /** How many open channels are idle. */
  get idleCount(): number {
    return this.#idleCount
  }

  isIdle(channel: number): boolean {
    return this.#idle[channel] === 1
  }

  /** Returns the combined watermark when it has advanced. */
  onWatermark(channel: number, ms: number): number | undefined {
    assert(channel < this.#watermarks.length, 'a watermark of an unknown channel')
    if (ms <= this.#watermarks[channel]!) return undefined
    this.#watermarks[channel] = ms
    // At its end a channel leaves (V3); what that means for the status, `onEnd` tells.
    if (ms !== MAX_WATERMARK && this.#idle[channel] === 1 && !this.#allIdle) return undefined
    return this.#advance()
  }

  onStatus(channel: number, idle: boolean): StatusChange {
    assert(channel < this.#watermarks.length, 'a status of an unknown channel')
    this.#setIdle(channel, idle ? 1 : 0)
    return this.#refresh()
  }

  /** No more comes from this channel. Its status no longer counts (V3, V4). */
  onEnd(channel: number): StatusChange {
    this.#watermarks[channel] = MAX_WATERMARK
    this.#setIdle(channel, 0)
    return this.#refresh()
  }

  #setIdle(channel: number, idle: 0 | 1): void {
    this.#idleCount += idle - this.#idle[channel]!
    this.#idle[channel] = idle
  }

  #refresh(): StatusChange {
    let open = 0
    let openIdle = 0
    for (let channel = 0; channel < this.#watermarks.length; channel += 1) {
      if (this.#watermarks[channel] === MAX_WATERMARK) continue
      open += 1
      openIdle += this.#idle[channel]!
    }
    const allIdle = open > 0 && open === openIdle
    const idle = allIdle === this.#allIdle ? undefined : allIdle
    this.#allIdle = allIdle
    return { idle, watermarkMs: this.#advance() }
  }

  #advance(): number | undefined {
    const combined = this.#combine()
    if (combined <= this.#watermarkMs) return undefined
    this.#watermarkMs = combined
    return combined
  }

  /** V1. */
  #combine(): number {
    let least = MAX_WATERMARK
    let greatestIdle = MIN_WATERMARK
    let active = false
    let open = false
    for (let channel = 0; channel < this.#watermarks.length; channel += 1) {
      const ms = this.#watermarks[channel]!
      if (ms === MAX_WATERMARK) continue
      open = true
      if (this.#idle[channel] === 1) {
        if (ms > greatestIdle) greatestIdle = ms
      } else {
        active = true
        if (ms < least) least = ms
      }
    }
    if (!open) return MAX_WATERMARK
    return active ? least : greatestIdle
  }
}
