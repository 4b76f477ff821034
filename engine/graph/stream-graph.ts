import type { Json } from '../base/json.ts'
import type { KeySelector } from '../stream/keys.ts'
import type { SchemaData } from '../stream/schema.ts'
import type { StateDescriptor } from '../state/state.ts'
import type { StreamOperator } from '../operator/operator.ts'
import type { SinkDefinition } from '../operator/sink.ts'
import type { AlignmentBounds } from '../time/watermark-alignment.ts'
import type { SourceDefinition } from '../operator/source.ts'

/**
 * The job as written: one node a call that makes a step, edges with their partitioning. Built anew,
 * deterministically, in the main thread and in every worker from the same bundle; only `planData`
 * of it ever crosses a thread, as JSON with a hash (architecture A1).
 */
export interface StreamGraph {
  readonly job: string
  readonly nodes: readonly StreamNode[]
  readonly edges: readonly StreamEdge[]
  readonly settings: JobSettings
}

export type Partitioning =
  | { readonly type: 'forward' }
  | { readonly type: 'hash'; readonly key: KeySelector }
  /** Round robin over the receivers. */
  | { readonly type: 'rebalance' }
  /** Every record to every receiver. */
  | { readonly type: 'broadcast' }
  /** Every record to receiver 0. */
  | { readonly type: 'global' }

export interface StreamEdge {
  readonly from: number
  /** Name of the side output; undefined: the main one. */
  readonly side: string | undefined
  readonly to: number
  /** 0, or 1 for the second input of a connected operator. */
  readonly input: number
  readonly partitioning: Partitioning
}

export interface StreamNode {
  /** Position in `nodes`. */
  readonly id: number
  /** The user's; stateless steps have none. */
  readonly uid: string | undefined
  /** Shown to people: the uid, `named(…)`, or the kind with its position. */
  readonly name: string
  /** 'source', 'map', 'filter', 'window-aggregate', 'sink', … */
  readonly kind: string
  readonly parameters: Json
  /** Undefined: the job's. */
  readonly parallelism: number | undefined
  readonly maxParallelism: number | undefined
  /** Where the step was written, as `job.ts:8`, when known. */
  readonly at: string | undefined
  /** Schema of the node's main output where it is known. */
  readonly schema: SchemaData | undefined
  readonly states: readonly StateDescriptor[]
  /** States of a broadcast input; they are not among `states`. */
  readonly broadcast?: readonly StateDescriptor[]
  /** How many user functions the node holds: they need record positions for their errors. */
  readonly functionSlots: number
  /** How the key of a record is found, for operators with keyed state: by input. */
  readonly keys: readonly (KeySelector | undefined)[]
  /**
   * 'assigns': makes watermarks. 'needs': does nothing useful without. 'reads': may fire timers or
   * judge lateness by them.
   */
  readonly eventTime?: EventTimeUse
  /** In what order a keyed process function gets its records; undefined for other steps. */
  readonly order?: 'arrival' | 'event-time'
  /** Of a step that assigns times: how far its source may be ahead; undefined: the job does not say. */
  readonly alignment?: AlignmentBounds | 'off'
  readonly runtime: NodeRuntime
}

export type EventTimeUse = 'assigns' | 'needs' | 'reads'

export type NodeRuntime =
  | { readonly type: 'source'; readonly source: SourceDefinition }
  | { readonly type: 'operator'; create(): StreamOperator }
  | { readonly type: 'sink'; readonly sink: SinkDefinition }

export interface JobSettings {
  readonly checkpointing: CheckpointSettings
  readonly restart: RestartSettings
  readonly maxParallelism: number
  readonly bufferTimeoutMs: number
  /** What the job asks for where the command line says nothing. */
  readonly parallelism?: number
}

export interface CheckpointSettings {
  /** Undefined: no periodic checkpoints; the final one and savepoints are still taken. */
  readonly everyMs: number | undefined
  readonly timeoutMs: number
  readonly minPauseMs: number
  /** How many complete checkpoints are kept. */
  readonly retain: number
  /** How many in a row may fail before the job does. */
  readonly tolerableFailures: number
}

export type RestartSettings =
  | { readonly strategy: 'none' }
  | { readonly strategy: 'fixed-delay'; readonly attempts: number; readonly delayMs: number }
  | {
      readonly strategy: 'exponential'
      readonly initialMs: number
      readonly maxMs: number
      readonly factor: number
      /** Time without a failure after which the delay starts again at `initialMs`. */
      readonly resetAfterMs: number
      readonly attempts: number
    }

export const DEFAULT_SETTINGS: JobSettings = {
  checkpointing: {
    everyMs: 10_000,
    timeoutMs: 600_000,
    minPauseMs: 0,
    retain: 2,
    tolerableFailures: 0,
  },
  restart: {
    strategy: 'exponential',
    initialMs: 1_000,
    maxMs: 60_000,
    factor: 2,
    resetAfterMs: 600_000,
    attempts: Number.MAX_SAFE_INTEGER,
  },
  maxParallelism: 128,
  bufferTimeoutMs: 20,
}

/** The side output with the records that came behind the watermark. */
export const LATE_SIDE = 'late'

/** Whether records wait in the step's state for the watermark: with one far ahead, all of its. */
export function keepsRecords({ kind, order }: StreamNode): boolean {
  return order === 'event-time' || kind === 'interval-join'
}

/** Whether a step judges lateness: others may have a side output of that name of their own. */
export function givesLate({ kind, order }: StreamNode): boolean {
  return order === 'event-time' || kind.startsWith('window-') || kind === 'interval-join'
}
