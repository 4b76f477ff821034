import { StreamError } from './errors.ts'

/** Fails the task when one of our own assumptions does not hold. Never for a user's mistake. */
export function assert(
  condition: boolean,
  what = 'an assumption does not hold',
): asserts condition {
  if (!condition) throw new StreamError('ASSERTION_FAILED', what, { hint: REPORT })
}

const REPORT = 'This is a bug in Millrace: please report it with the message and the stack.'
