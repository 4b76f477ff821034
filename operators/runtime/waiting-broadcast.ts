import type { OperatorContext } from '../../engine/operator/operator.ts'
import type { MapState, StateDescriptor } from '../../engine/state/state.ts'
import type { RecordBatch } from '../../engine/stream/record-batch.ts'
import type { SchemaData } from '../../engine/stream/schema.ts'
import type { WaitingRecord } from './waiting-records.ts'
import { BROADCAST_WAITING_STATE } from '../../engine/state/waiting-states.ts'
import { compareWaiting, waitingRecord, waitingSchema } from './waiting-records.ts'

/** A record of a broadcast stream that waits for its event time. */
export interface WaitingBroadcast extends WaitingRecord {
  readonly at: number
}

type MapDescriptor = Extract<StateDescriptor, { type: 'map' }>

/** The broadcast state in which they wait, numbered in the order of their arrival. */
export function broadcastWaitingState(schema: SchemaData | undefined): MapDescriptor {
  const at = { name: 'at', schema: { kind: 'float64' } } as const
  return {
    type: 'map',
    name: BROADCAST_WAITING_STATE,
    key: { kind: 'float64' },
    value: waitingSchema(schema, [at]),
  }
}

interface Numbered {
  readonly number: number
  readonly waiting: WaitingBroadcast
}

/** What both of its users share: records by number, in the state and beside it. */
class NumberedRecords {
  readonly #state: MapState<number, WaitingBroadcast>
  #next = 0

  constructor(context: OperatorContext, schema: SchemaData | undefined) {
    this.#state = context.broadcastState(broadcastWaitingState(schema))
  }

  /** Those of a checkpoint, in the order of their arrival. Called once, before the first `add`. */
  *restored(): IterableIterator<Numbered> {
    for (const [number, waiting] of this.#state.entries()) {
      this.#next = number + 1
      yield { number, waiting }
    }
  }

  add(batch: RecordBatch, index: number): Numbered {
    const number = this.#next
    const waiting = { ...waitingRecord(batch, index), at: batch.times![index]! }
    this.#state.put(number, waiting)
    this.#next = number + 1
    return { number, waiting }
  }

  remove({ number }: Numbered): void {
    this.#state.remove(number)
  }
}

/** Records by (time, split, offset, content): a binary heap. */
export class BroadcastHeap {
  readonly #records: NumberedRecords
  readonly #heap: Numbered[] = []

  constructor(context: OperatorContext, schema: SchemaData | undefined) {
    this.#records = new NumberedRecords(context, schema)
    for (const restored of this.#records.restored()) this.#push(restored)
  }

  /** Infinity: none waits. */
  get firstMs(): number {
    return this.#heap[0]?.waiting.at ?? Infinity
  }

  add(batch: RecordBatch, index: number): void {
    this.#push(this.#records.add(batch, index))
  }

  take(): WaitingBroadcast {
    const heap = this.#heap
    const first = heap[0]!
    const last = heap.pop()!
    if (heap.length > 0) this.#sink(last)
    this.#records.remove(first)
    return first.waiting
  }

  #push(item: Numbered): void {
    const heap = this.#heap
    let at = heap.push(item) - 1
    while (at > 0) {
      const above = (at - 1) >> 1
      if (!isBefore(item, heap[above]!)) break
      heap[at] = heap[above]!
      at = above
    }
    heap[at] = item
  }

  #sink(item: Numbered): void {
    const heap = this.#heap
    let at = 0
    for (let below = 1; below < heap.length; below = 2 * at + 1) {
      if (below + 1 < heap.length && isBefore(heap[below + 1]!, heap[below]!)) below += 1
      if (!isBefore(heap[below]!, item)) break
      heap[at] = heap[below]!
      at = below
    }
    heap[at] = item
  }
}

function isBefore({ waiting: left }: Numbered, { waiting: right }: Numbered): boolean {
  return (left.at - right.at || compareWaiting(left, right)) < 0
}

/** Records in the order of their arrival. */
export class BroadcastQueue {
  readonly #records: NumberedRecords
  #queue: Numbered[]
  /** Index of the first record that still waits. */
  #first = 0

  constructor(context: OperatorContext, schema: SchemaData | undefined) {
    this.#records = new NumberedRecords(context, schema)
    this.#queue = [...this.#records.restored()]
  }

  /** Time of the record that came first; Infinity: none waits. */
  get firstMs(): number {
    return this.#queue[this.#first]?.waiting.at ?? Infinity
  }

  add(batch: RecordBatch, index: number): void {
    this.#queue.push(this.#records.add(batch, index))
  }

  take(): WaitingBroadcast {
    const item = this.#queue[this.#first]!
    this.#first += 1
    if (this.#first * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#first)
      this.#first = 0
    }
    this.#records.remove(item)
    return item.waiting
  }
}
