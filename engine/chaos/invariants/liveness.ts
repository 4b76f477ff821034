import type { Invariant } from './invariant.ts'

/** I11. */
export const liveness: Invariant = ({ run }) => {
  const { life, ended } = run.lives.at(-1)!
  if (ended.type === 'finished') return []
  const why = ended.type === 'failed' ? `${ended.error.code}: ${ended.error.message}` : ended.type
  return [{ invariant: 'I11', what: `the job did not come to its end; life ${life}: ${why}` }]
}
