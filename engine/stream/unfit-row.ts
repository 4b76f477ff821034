import type { RecordBatch } from './record-batch.ts'
import { StreamError } from '../base/errors.ts'
import { packValue } from './value-codec.ts'

/** The error of rows that cannot leave their thread, with field and place of the first of them. */
export function explainUnfit(
  thrown: unknown,
  batch: RecordBatch,
  from: number,
  count: number,
): unknown {
  if (!(thrown instanceof StreamError)) return thrown
  for (let index = from; index < from + count; index += 1) {
    const row = batch.rows[index]
    if (typeof row !== 'object' || row === null || refusal(row) === undefined) continue
    const offset = batch.offsets?.[index]
    const place = offset === undefined ? {} : { offset }
    for (const [name, value] of Object.entries(row)) {
      const error = refusal(value)
      if (error === undefined) continue
      const { hint } = error
      return new StreamError(error.code, `field "${name}" of a record: ${error.message}`, {
        ...(hint === undefined ? {} : { hint }),
        place,
        cause: error,
      })
    }
    return thrown.at(place)
  }
  return thrown
}

function refusal(value: unknown): StreamError | undefined {
  try {
    packValue(value)
    return undefined
  } catch (thrown) {
    return thrown instanceof StreamError ? thrown : undefined
  }
}
