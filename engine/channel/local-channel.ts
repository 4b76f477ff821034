import type { StreamElement } from '../stream/elements.ts'
import type { ChannelReader, ChannelWriter } from './channel.ts'
import { LOCAL_CHANNEL_BATCHES_MAX } from '../base/limits.ts'
import { keptElement } from './kept-element.ts'

/** A channel between two subtasks of one worker: elements go by reference. It is both ends. */
export class LocalChannel implements ChannelWriter, ChannelReader {
  #elements: (StreamElement | undefined)[] = []
  /** Index of the first element not polled yet. */
  #first = 0
  readonly #onSend: () => void
  readonly #onPoll: () => void

  /** `onSend` and `onPoll` tell the loop that there is something to do at the other end. */
  constructor(onSend: () => void = doNothing, onPoll: () => void = doNothing) {
    this.#onSend = onSend
    this.#onPoll = onPoll
  }

  hasCredit(): boolean {
    return this.#elements.length - this.#first < LOCAL_CHANNEL_BATCHES_MAX
  }

  send(element: StreamElement): void {
    this.#elements.push(keptElement(element))
    this.#onSend()
  }

  drain(): boolean {
    return this.#elements.length - this.#first <= LOCAL_CHANNEL_BATCHES_MAX
  }

  hasNext(): boolean {
    return this.#first < this.#elements.length
  }

  poll(): StreamElement | undefined {
    if (this.#first === this.#elements.length) return undefined
    const element = this.#elements[this.#first]
    this.#elements[this.#first] = undefined
    this.#first += 1
    if (this.#first === this.#elements.length) {
      this.#elements.length = 0
      this.#first = 0
    } else if (this.#first >= 1_024) {
      this.#elements = this.#elements.slice(this.#first)
      this.#first = 0
    }
    this.#onPoll()
    return element
  }

  release(): void {
    // Nothing is shared: what was polled belongs to who polled it.
  }
}

function doNothing(): void {
  // Nobody to tell.
}
