import type { FaultProbe } from '../faults/probe.ts'
import type { StreamOperator } from '../operator/operator.ts'
import type { Committable, SinkWriter, WriterContext } from '../operator/sink.ts'
import type { Json } from '../base/json.ts'
import type { CheckpointId } from '../stream/elements.ts'
import type { RecordBatch } from '../stream/record-batch.ts'
import { assert } from '../base/assert.ts'
import { asStreamError, type StreamError } from '../base/errors.ts'
import { declaredAt, unconfirmedAfter } from '../checkpoint/committables.ts'

/**
 * The end of a chain: hands batches to a sink's writer and keeps its committables.
 *
 * K1. A committable is declared in every acknowledgement from the one it was born in until its
 *     commit is confirmed; so an aborted checkpoint loses none (architecture A9, A10).
 */
export class SinkOperator implements StreamOperator {
  readonly uid: string
  readonly #writer: SinkWriter
  readonly #context: Pick<WriterContext, 'recordIndex' | 'subtask'>
  readonly #faults: FaultProbe | undefined
  #unconfirmed: readonly Committable[] = []
  #lastId: CheckpointId = 0
  #lastCut: Promise<unknown> = Promise.resolve()

  /** `context` is the one that the writer has: it says there which record it refuses. */
  constructor(
    uid: string,
    context: Pick<WriterContext, 'recordIndex' | 'subtask'>,
    writer: SinkWriter,
    faults?: FaultProbe,
  ) {
    this.uid = uid
    this.#context = context
    this.#writer = writer
    this.#faults = faults
  }

  open(): void {
    // A writer has been opened, asynchronously, before the chain is.
  }

  processBatch(batch: RecordBatch): void {
    this.#faults?.reach('sink.write', { uid: this.uid, subtask: this.#context.subtask })
    try {
      this.#writer.write(batch)
    } catch (thrown) {
      throw this.#placed(thrown, batch)
    }
  }

  ready(): boolean {
    return this.#writer.ready()
  }

  /** Cuts now; resolves to all that is to be declared for this checkpoint (K1). */
  prepareCommit(checkpointId: CheckpointId): Promise<readonly Committable[]> {
    assert(checkpointId > this.#lastId, 'a sink is cut once for a checkpoint, in the order of ids')
    this.#lastId = checkpointId
    const cut =
      this.#faults === undefined
        ? this.#writer.prepareCommit(checkpointId)
        : this.#watchedCut(this.#faults, checkpointId)
    // In order: a later checkpoint declares what an earlier, aborted one had cut.
    const declared = Promise.all([this.#lastCut, cut]).then(([, effects]) => {
      const { uid } = this
      const { subtask } = this.#context
      const born = effects.map((effect, sequence) => {
        return { uid, bornAt: checkpointId, subtask, sequence, effect }
      })
      this.#unconfirmed = [...this.#unconfirmed, ...born]
      return declaredAt(this.#unconfirmed, checkpointId)
    })
    this.#lastCut = declared
    return declared
  }

  async #watchedCut(faults: FaultProbe, checkpointId: CheckpointId): Promise<readonly Json[]> {
    const place = { uid: this.uid, subtask: this.#context.subtask, checkpointId }
    faults.reach('sink.prepare', place)
    const effects = await this.#writer.prepareCommit(checkpointId)
    await faults.hold('sink.prepared', place)
    return effects
  }

  confirm(checkpointId: CheckpointId): void {
    this.#faults?.reach('sink.confirm', {
      uid: this.uid,
      subtask: this.#context.subtask,
      checkpointId,
    })
    this.#unconfirmed = unconfirmedAfter(this.#unconfirmed, checkpointId)
  }

  #placed(thrown: unknown, batch: RecordBatch): StreamError {
    const { subtask, recordIndex } = this.#context
    const place = { operator: this.uid, subtask }
    const split =
      recordIndex === undefined || typeof batch.splits !== 'object'
        ? batch.splits
        : batch.splits[recordIndex]
    return asStreamError(thrown, 'BUG', {
      ...place,
      ...(typeof split === 'number' ? { splitIndex: split } : {}),
    })
  }

  close(): Promise<void> {
    return this.#writer.close()
  }
}
