import type { RecordBatch } from './record-batch.ts'

/** checkpoint id = epoch × 2^32 + counter: strictly increasing over all lives of a work folder. */
export type CheckpointId = number

export interface CheckpointBarrier {
  readonly checkpointId: CheckpointId
  /** Nothing follows but the end: the job stops at this barrier (stop-with-savepoint). */
  readonly stop: boolean
  /** Sources emit no more and event time goes to its end before the snapshot (`--drain`). */
  readonly drain: boolean
}

/** The five things that travel in a channel. */
export type StreamElement =
  | { readonly type: 'batch'; readonly batch: RecordBatch }
  | { readonly type: 'watermark'; readonly ms: number }
  | { readonly type: 'status'; readonly idle: boolean }
  | { readonly type: 'barrier'; readonly barrier: CheckpointBarrier }
  | { readonly type: 'end' }

/** The watermark after the last record of a bounded input: no timer is later. */
export const MAX_WATERMARK = Number.MAX_SAFE_INTEGER
/** The watermark before any. */
export const MIN_WATERMARK = Number.MIN_SAFE_INTEGER
