import type { OperatorContext } from '../../engine/operator/operator.ts'
import type { MapState, StateDescriptor } from '../../engine/state/state.ts'
import type { SchemaData } from '../../engine/stream/schema.ts'
import { WAITING_STATES } from '../../engine/state/waiting-states.ts'
import { RecordBatch } from '../../engine/stream/record-batch.ts'
import { recordError } from '../../engine/operator/user-error.ts'
import { compareValues } from './compare-values.ts'

/** A record that waits, with its place in the source: −1 where that is not known. */
export interface WaitingRecord {
  readonly split: number
  readonly offset: number
  readonly record: unknown
}

type WaitingState = Extract<StateDescriptor, { type: 'map' }>

/** The states that a step in event-time order needs, one for each input, by their schemas. */
export function waitingStates(
  schemas: readonly (SchemaData | undefined)[],
): readonly StateDescriptor[] {
  return schemas.map((schema, input) => waitingState(schema, input))
}

function waitingState(schema: SchemaData | undefined, input: number): WaitingState {
  const name = WAITING_STATES[input]!
  const value: SchemaData = { kind: 'list', item: waitingSchema(schema) }
  return { type: 'map', name, key: { kind: 'float64' }, value }
}

type StructFields = Extract<SchemaData, { kind: 'struct' }>['fields']

/** A waiting record of that schema; `more` stands before its own fields. */
export function waitingSchema(schema: SchemaData | undefined, more: StructFields = []): SchemaData {
  return {
    kind: 'struct',
    fields: [
      ...more,
      { name: 'split', schema: { kind: 'int32' } },
      { name: 'offset', schema: { kind: 'float64' } },
      { name: 'record', schema: schema ?? { kind: 'packed' } },
    ],
  }
}

export function waitingRecord(batch: RecordBatch, index: number): WaitingRecord {
  const { splits, offsets } = batch
  const split = typeof splits === 'number' ? splits : (splits?.[index] ?? -1)
  const offset = offsets?.[index] ?? -1
  return { split, offset: offset === offset ? offset : -1, record: batch.rows[index] }
}

/**
 * The records of the current key that wait for their time: lists by time, and a place in the timer
 * queue for each list.
 *
 * W1. Records of one key and time come by (input, split, offset, content). Those that nothing tells
 *     apart are interchangeable, so the order does not depend on which of them arrived first.
 * W2. A record is out of the state before it is handed out.
 * W3. A list is sorted once, from the end, and then taken from its end: a key with many records of
 *     one time costs no more for each of them.
 */
export class WaitingRecords {
  readonly #context: OperatorContext
  readonly #states: readonly MapState<number, WaitingRecord[]>[]
  /** The list that was sorted last, as long as it is the same object. */
  #sorted: WaitingRecord[] | undefined
  /** Of the record that `take` gave. */
  input = 0

  constructor(context: OperatorContext, schemas: readonly (SchemaData | undefined)[]) {
    this.#context = context
    this.#states = schemas.map((schema, input) => context.keyed.map(waitingState(schema, input)))
  }

  add(batch: RecordBatch, index: number, atMs: number, input: number): void {
    const waiting = waitingRecord(batch, index)
    const state = this.#states[input]!
    const list = state.get(atMs)
    if (list === undefined) {
      state.put(atMs, [waiting])
      this.#context.timers.waitUntil(atMs)
    } else {
      list.push(waiting)
      state.put(atMs, list)
    }
  }

  /** The next record of the current key at that time; undefined when there is none. */
  take(atMs: number): WaitingRecord | undefined {
    for (const [input, state] of this.#states.entries()) {
      const list = state.get(atMs)
      if (list === undefined) continue
      if (list !== this.#sorted && list.length > 1) list.sort(fromTheEnd)
      const next = list.pop()!
      if (list.length === 0) {
        this.#sorted = undefined
        state.remove(atMs)
      } else {
        this.#sorted = list
        state.put(atMs, list)
      }
      this.input = input
      return next
    }
    return undefined
  }

  /** Whether records of the current key wait at that time. */
  has(atMs: number): boolean {
    return this.#states.some((state) => state.has(atMs))
  }
}

function fromTheEnd(left: WaitingRecord, right: WaitingRecord): number {
  return compareWaiting(right, left)
}

/** W1, within one input and time. */
export function compareWaiting(left: WaitingRecord, right: WaitingRecord): number {
  return (
    left.split - right.split ||
    left.offset - right.offset ||
    compareValues(left.record, right.record)
  )
}

export function untimedError(context: OperatorContext, batch: RecordBatch, index: number): Error {
  return recordError(
    'EVENT_TIME_MISSING',
    `a record of "${context.name}" has no event time, and the step is in event-time order`,
    'Call assignTimestampsAndWatermarks before the step.',
    context,
    batch,
    index,
  )
}

/** The record as a batch of its own, for messages that say where it stands. */
export function batchOfWaiting({ split, offset, record }: WaitingRecord, ms: number): RecordBatch {
  return new RecordBatch(
    1,
    [record],
    undefined,
    Float64Array.of(ms),
    undefined,
    split < 0 ? undefined : split,
    Float64Array.of(offset < 0 ? NaN : offset),
  )
}
