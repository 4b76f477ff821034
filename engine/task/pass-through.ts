import type { OperatorContext, Output, StreamOperator } from '../operator/operator.ts'
import type { RecordBatch } from '../stream/record-batch.ts'

/** Hands on what it gets: the head of a source's chain. */
export class PassThrough implements StreamOperator {
  #output: Output | undefined

  open(context: OperatorContext): void {
    this.#output = context.output
  }

  processBatch(batch: RecordBatch): void {
    this.#output!.emit(batch)
  }
}
