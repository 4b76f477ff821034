import type { StreamElement } from '../stream/elements.ts'
import { FieldColumns, keepColumns } from '../stream/column-set.ts'
import { RecordBatch } from '../stream/record-batch.ts'

/** The element in a form that may be kept: no columns that are views of shared memory (B3). */
export function keptElement(element: StreamElement): StreamElement {
  if (element.type !== 'batch') return element
  const { batch } = element
  const { columns } = batch
  if (!(columns instanceof FieldColumns) || !columns.isView) return element
  const kept = new RecordBatch(
    batch.count,
    batch.hasRows ? batch.rows : undefined,
    batch.hasRows ? undefined : keepColumns(columns),
    batch.times,
    batch.hashes,
    batch.splits,
    batch.offsets,
  )
  return { type: 'batch', batch: kept }
}
