import type { StreamElement } from '../stream/elements.ts'

/**
 * One edge between two subtasks. Elements arrive in the order sent; nothing is lost, doubled or
 * overtaken. Bounded: free space is the credit.
 */
export interface ChannelWriter {
  /** Whether an element is copied by `send`, so that its arrays may be used again at once. */
  readonly copies?: boolean
  /** Whether a batch of the largest size can be sent at once. */
  hasCredit(): boolean
  /** Never refuses. What does not fit waits on the heap; until it is out, `hasCredit` is false. */
  send(element: StreamElement): void
  /** Sends what waits, as far as it fits. True when nothing waits. */
  drain(): boolean
}

export interface ChannelReader {
  /**
   * The next element, or undefined. The columns of a batch may be views of shared memory: they end
   * with `release`, which the reader calls once after each element it polled.
   */
  poll(): StreamElement | undefined
  release(): void
  /** Whether an element is there, without taking it. */
  hasNext(): boolean
}
