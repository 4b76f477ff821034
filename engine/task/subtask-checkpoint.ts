import type { OperatorSubtaskState, SplitState, SubtaskSnapshot } from '../checkpoint/snapshot.ts'
import type { FaultPlace } from '../faults/place.ts'
import type { FaultProbe } from '../faults/probe.ts'
import type { Committable } from '../operator/sink.ts'
import type { SplitPosition } from '../operator/source.ts'
import type { CheckpointId } from '../stream/elements.ts'
import type { SinkOperator } from './sink-operator.ts'
import type { TaskParts } from './task-parts.ts'
import { headName } from '../graph/job-graph.ts'
import { asStreamError } from '../base/errors.ts'

/**
 * One subtask's part of a checkpoint: the synchronous cut, and what follows off the record path.
 *
 * `take` awaits only: the writing of keyed and broadcast state, and the sinks' prepareCommit.
 */
export class SubtaskCheckpoint {
  readonly #parts: TaskParts
  readonly #positions = new Map<CheckpointId, readonly SplitPosition[]>()

  constructor(parts: TaskParts) {
    this.#parts = parts
  }

  take(checkpointId: CheckpointId, alignmentMs: number): Promise<SubtaskSnapshot> {
    const { clock, state, source, sinks, vertex, subtask, chain, faults } = this.#parts
    faults?.reach('snapshot.cut', this.#place(checkpointId))
    const startedMs = clock.monotonicMs()
    this.#parts.beforeSnapshot(checkpointId)
    const written = state.snapshot(checkpointId, (node) => chain.links[node]!.reachedMs)
    const splits = source?.snapshot()
    if (splits !== undefined) this.#keepPositions(checkpointId, splits)
    const cuts = sinks.map((sink) => this.#cut(sink, checkpointId))
    const { recordsRead, recordsWritten, recordsLate } = this.#counts()
    const recordsMalformed = source?.malformedCount ?? 0
    const syncMs = clock.monotonicMs() - startedMs
    const durable = faults === undefined ? written : this.#held(written, checkpointId, faults)
    return this.#assemble(durable, cuts).then(({ operators, committables, bytesWritten }) => ({
      checkpointId,
      vertex: vertex.id,
      subtask,
      operators,
      splits: splits === undefined ? {} : { [vertex.chain[0]!.uid!]: splits },
      committables,
      recordsRead,
      recordsWritten,
      recordsMalformed,
      recordsLate,
      alignmentMs,
      syncMs,
      bytesWritten,
    }))
  }

  /** A hold that fails is told first: what becomes of the writing then is no news. */
  async #held<T>(written: Promise<T>, id: CheckpointId, faults: FaultProbe): Promise<T> {
    written.catch(() => undefined)
    await faults.hold('snapshot.write', this.#place(id))
    return await written
  }

  #place(checkpointId: CheckpointId): FaultPlace {
    const { vertex, subtask } = this.#parts
    return { uid: headName(vertex), subtask, checkpointId }
  }

  /** The positions that the completed checkpoint holds; those of older ones are dropped. */
  takePositions(checkpointId: CheckpointId): readonly SplitPosition[] | undefined {
    const found = this.#positions.get(checkpointId)
    for (const id of this.#positions.keys()) if (id <= checkpointId) this.#positions.delete(id)
    return found
  }

  /** What a sink cannot make durable is lost to it: no later checkpoint can have it. */
  async #cut(sink: SinkOperator, checkpointId: CheckpointId): Promise<readonly Committable[]> {
    try {
      return await sink.prepareCommit(checkpointId)
    } catch (error) {
      this.#parts.owner.failed(asStreamError(error).at({ operator: sink.uid }))
      throw error
    }
  }

  #counts(): Pick<SubtaskSnapshot, 'recordsRead' | 'recordsWritten' | 'recordsLate'> {
    let recordsRead = 0
    let recordsWritten = 0
    let recordsLate = 0
    for (const { node, recordsIn, lateDropped } of this.#parts.chain.links) {
      recordsLate += lateDropped
      if (node.runtime.type === 'source') recordsRead += recordsIn
      if (node.runtime.type === 'sink') recordsWritten += recordsIn
    }
    return { recordsRead, recordsWritten, recordsLate }
  }

  #keepPositions(checkpointId: CheckpointId, splits: readonly SplitState[]): void {
    this.#positions.set(checkpointId, splits)
  }

  async #assemble(
    written: Promise<{
      readonly operators: Readonly<Record<string, OperatorSubtaskState>>
      readonly bytesWritten: number
    }>,
    cuts: readonly Promise<readonly Committable[]>[],
  ): Promise<{
    readonly operators: Readonly<Record<string, OperatorSubtaskState>>
    readonly bytesWritten: number
    readonly committables: readonly Committable[]
  }> {
    const [{ operators, bytesWritten }, ...declared] = await Promise.all([written, ...cuts])
    return { operators, bytesWritten, committables: declared.flat() }
  }
}
