import { inspect } from 'node:util'
import type { ErrorCode, ErrorPlace } from '../base/errors.ts'
import type { OperatorContext } from './operator.ts'
import type { RecordBatch } from '../stream/record-batch.ts'
import { asStreamError, StreamError } from '../base/errors.ts'

/**
 * What a user's function threw, as an error that says where: operator, subtask, the record's split
 * and offset as far as the batch knows them, and the line of the user's own file. The split is its
 * index as text; the task, which knows the splits, puts the name in its place.
 */
export function userError(
  thrown: unknown,
  context: OperatorContext,
  batch: RecordBatch | undefined,
  index: number,
): StreamError {
  context.recordIndex = index
  const place = placeOf(context, batch, index, thrown)
  return asStreamError(thrown, 'USER_FUNCTION_FAILED', place)
}

/** As `userError`, for a key that a record was to be sent by. `operator` is the one it goes to. */
export function keyError(
  thrown: unknown,
  operator: string,
  subtask: number,
  batch: RecordBatch,
  index: number,
): StreamError {
  const place = placeOf({ uid: operator, name: operator, subtask }, batch, index, thrown)
  return asStreamError(thrown, 'USER_FUNCTION_FAILED', place)
}

/** An error of our own about one record of a batch. */
export function recordError(
  code: ErrorCode,
  message: string,
  hint: string,
  context: OperatorContext,
  batch: RecordBatch | undefined,
  index: number,
): StreamError {
  context.recordIndex = index
  return new StreamError(code, message, { hint, place: placeOf(context, batch, index) })
}

/** A step gave a promise where steps are synchronous. */
export function asyncError(
  step: string,
  context: OperatorContext,
  batch: RecordBatch | undefined,
  index: number,
): StreamError {
  return recordError(
    'STEP_ASYNC',
    `${step} "${context.name}" returned a promise`,
    ASYNC_HINT,
    context,
    batch,
    index,
  )
}

/** What to do about a step that waits. */
export const ASYNC_HINT =
  'Steps are synchronous: make what the step waits for a source of its own, and connect the two.'

/** Whether calling a function can give nothing but a promise, or a generator of promises. */
export function isAsyncFunction(step: unknown): boolean {
  return typeof step === 'function' && ASYNC_TAG.test(Object.prototype.toString.call(step))
}

const ASYNC_TAG = /^\[object Async/

export function isPromiseLike(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as { readonly then?: unknown }).then === 'function'
  )
}

function placeOf(
  context: Pick<OperatorContext, 'uid' | 'name' | 'subtask'>,
  batch: RecordBatch | undefined,
  index: number,
  thrown?: unknown,
): ErrorPlace {
  // An error of our own, thrown below the user's function, begins in a file of ours.
  const isTheirs = thrown instanceof Error && !(thrown instanceof StreamError)
  const at = isTheirs ? userLine(thrown.stack) : undefined
  return {
    operator: context.uid === '' ? context.name : context.uid,
    subtask: context.subtask,
    ...positionOf(batch, index),
    ...(at === undefined ? {} : { at }),
  }
}

function positionOf(batch: RecordBatch | undefined, index: number): ErrorPlace {
  if (batch === undefined || index < 0 || index >= batch.count) return {}
  const { splits, offsets } = batch
  const split = typeof splits === 'number' ? splits : splits?.[index]
  const offset = offsets?.[index]
  return {
    ...(split === undefined || split < 0 ? {} : { splitIndex: split }),
    ...(offset === undefined || Number.isNaN(offset) ? {} : { offset }),
    ...(batch.rows[index] === undefined ? {} : { record: recordText(batch.rows[index]) }),
  }
}

const RECORD_CHARACTERS_MAX = 60

/** The start of a record as the step has it. */
function recordText(row: unknown): string {
  const options = { breakLength: Infinity, depth: 2, maxArrayLength: 5, maxStringLength: 60 }
  const text = typeof row === 'string' ? JSON.stringify(row) : inspect(row, options)
  return text.length <= RECORD_CHARACTERS_MAX ? text : `${text.slice(0, RECORD_CHARACTERS_MAX)}…`
}

const FRAME = /(?:\(|at )((?:file:\/\/)?\/[^()]+):(\d+):(\d+)\)?$/

/** The innermost frame of a stack that lies in a file of the user's, as `job.ts:8:21`. */
export function userLine(stack: string | undefined): string | undefined {
  for (const line of stack?.split('\n') ?? []) {
    const frame = FRAME.exec(line.trim())
    if (frame === null || frame[1]!.includes('/node_modules/')) continue
    return `${frame[1]!.slice(frame[1]!.lastIndexOf('/') + 1)}:${frame[2]}:${frame[3]}`
  }
  return undefined
}
