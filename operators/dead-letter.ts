import type { DeadLetter as DeadLetterRecord } from '../engine/operator/source.ts'
import type { StructSchema } from './schemas.ts'
import { binary, int64, struct, utf8 } from './schemas.ts'

/** A record that a source could not decode: `stream.sideOutput('malformed')` has these. */
export type DeadLetter = DeadLetterRecord

export const DeadLetter: StructSchema<DeadLetter> = struct({
  source: utf8(),
  split: utf8(),
  offset: int64({ as: 'number' }),
  code: utf8(),
  error: utf8(),
  bytes: binary(),
})
