import type { Clock } from '../base/clock.ts'
import type { FaultProbe } from '../faults/probe.ts'
import type { ResultPartition } from '../channel/result-partition.ts'
import type { SubtaskSnapshot } from '../checkpoint/snapshot.ts'
import type { JobVertex } from '../graph/job-graph.ts'
import type { CheckpointId } from '../stream/elements.ts'
import type { InputGate } from './input-gate.ts'
import type { OperatorChain } from './operator-chain.ts'
import type { SinkOperator } from './sink-operator.ts'
import type { SourceDriver } from './source-driver.ts'
import type { SubtaskState } from './subtask-state.ts'

/** Whoever runs the task: gets what it has to say, and wakes it. */
export interface TaskOwner {
  acknowledged(snapshot: SubtaskSnapshot): void
  declined(checkpointId: CheckpointId, error: unknown): void
  ended(vertex: number, subtask: number): void
  expecting(vertex: number, subtask: number): void
  failed(error: unknown): void
}

export interface TaskParts {
  readonly vertex: JobVertex
  readonly subtask: number
  readonly clock: Clock
  readonly faults: FaultProbe | undefined
  readonly bufferTimeoutMs: number
  readonly chain: OperatorChain
  /** A task has a gate or a source, never both. */
  readonly gate: InputGate | undefined
  readonly source: SourceDriver | undefined
  readonly sinks: readonly SinkOperator[]
  readonly partitions: readonly ResultPartition[]
  /** Whether every output has credit, every sink is ready and no store is behind. */
  mayProduce(): boolean
  readonly state: SubtaskState
  /** Called just before the cut of a checkpoint. */
  beforeSnapshot(checkpointId: CheckpointId): void
  readonly owner: TaskOwner
}
