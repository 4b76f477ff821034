import type { OperatorContext, StreamOperator } from '../operator/operator.ts'
import type { Committable, SinkWriter } from '../operator/sink.ts'
import type { CheckpointId } from '../stream/elements.ts'
import type { RecordBatch } from '../stream/record-batch.ts'

/**
 * The end of a chain: hands batches to a sink's writer and keeps its committables.
 *
 * K1. A committable is declared in every acknowledgement from the one it was born in until its
 *     commit is confirmed; so an aborted checkpoint loses none (architecture A9, A10).
 */
export class SinkOperator implements StreamOperator {
  readonly uid: string
  readonly #writer: SinkWriter
  readonly #subtask: number
  #unconfirmed: Committable[] = []
  #lastCut: Promise<unknown> = Promise.resolve()

  constructor(uid: string, subtask: number, writer: SinkWriter) {
    this.uid = uid
    this.#subtask = subtask
    this.#writer = writer
  }

  open(_context: OperatorContext): void {
    // A writer has been opened, asynchronously, before the chain is.
  }

  processBatch(batch: RecordBatch): void {
    this.#writer.write(batch)
  }

  ready(): boolean {
    return this.#writer.ready()
  }

  /** Cuts now; resolves to all that is to be declared for this checkpoint (K1). */
  prepareCommit(checkpointId: CheckpointId): Promise<readonly Committable[]> {
    const cut = this.#writer.prepareCommit(checkpointId)
    // In order: a later checkpoint declares what an earlier, aborted one had cut.
    const declared = Promise.all([this.#lastCut, cut]).then(([, effects]) => {
      for (const [sequence, effect] of effects.entries()) {
        this.#unconfirmed.push({
          uid: this.uid,
          bornAt: checkpointId,
          subtask: this.#subtask,
          sequence,
          effect,
        })
      }
      return this.#unconfirmed.filter((item) => item.bornAt <= checkpointId)
    })
    this.#lastCut = declared
    return declared
  }

  confirm(checkpointId: CheckpointId): void {
    this.#unconfirmed = this.#unconfirmed.filter((item) => item.bornAt > checkpointId)
  }

  close(): Promise<void> {
    return this.#writer.close()
  }
}
