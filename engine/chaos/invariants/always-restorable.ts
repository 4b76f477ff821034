import type { Invariant } from './invariant.ts'

/** I6. The moments are those that the disk's history has audited. */
export const alwaysRestorable: Invariant = ({ run }) =>
  run.history.auditFailures.map(({ step, what }) => ({ invariant: 'I6', what, step }))
