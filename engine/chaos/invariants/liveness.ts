import type { Violation } from '../violation.ts'
import type { Invariant } from './invariant.ts'

/** After the last fault, of the clock of the run: longer than any wait that the engine has. */
const REST_MS_MAX = 30 * 60_000

/**
 * I11: the job comes to its end, by a checkpoint that is final, and in bounded time after the last
 * fault. That no life takes too many steps is seen to while it runs: such a one is called stuck.
 */
export const liveness: Invariant = ({ run }) => {
  const { life, ended } = run.lives.at(-1)!
  if (ended.type !== 'finished') {
    const why = ended.type === 'failed' ? `${ended.error.code}: ${ended.error.message}` : ended.type
    return [violation(`the job did not come to its end; life ${life}: ${why}`)]
  }
  const found: Violation[] = []
  if (run.history.manifests.at(-1)?.manifest.final !== true) {
    found.push(violation('the job says that it is finished, and has no final checkpoint'))
  }
  const last = run.trace.findLast(({ fault }) => fault !== undefined)
  const restMs = last === undefined ? 0 : run.trace.at(-1)!.atMs - last.atMs
  if (restMs > REST_MS_MAX) found.push(violation(`the end comes ${restMs} ms after the last fault`))
  return found
}

function violation(what: string): Violation {
  return { invariant: 'I11', what }
}
