import type { StreamElement } from '../stream/elements.ts'
import { copyColumns, FieldColumns } from '../stream/column-set.ts'
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
    batch.hasRows ? undefined : copyColumns(columns),
    batch.times,
    batch.hashes,
    batch.splits,
    batch.offsets,
    batch.watermarks,
  )
  return { type: 'batch', batch: kept }
}

/** The element with nothing shared but its rows themselves. */
export function copiedElement(element: StreamElement): StreamElement {
  if (element.type !== 'batch') return element
  const { batch } = element
  const { columns, count, times, hashes, splits, offsets, watermarks } = batch
  const copy = new RecordBatch(
    count,
    columns === undefined ? batch.rows.slice(0, count) : undefined,
    columns === undefined ? undefined : copyColumns(columns),
    times?.slice(0, count),
    hashes?.slice(0, count),
    typeof splits === 'object' ? splits.slice(0, count) : splits,
    offsets?.slice(0, count),
    watermarks?.slice(0, count),
  )
  return { type: 'batch', batch: copy }
}
