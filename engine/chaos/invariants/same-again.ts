import type { Invariant } from './invariant.ts'

/** I13: run once more, the schedule takes the same steps. */
export const sameAgain: Invariant = ({ run, close }) => {
  if (close === undefined || close.again.hash === run.hash) return []
  const { trace } = close.again
  const index = run.trace.findIndex(
    (event, at) => JSON.stringify(event) !== JSON.stringify(trace[at]),
  )
  const event = run.trace[index]
  const what =
    event === undefined
      ? `a second run goes on after step ${run.trace.at(-1)!.step}`
      : `a second run differs from ${event.point} at step ${event.step} on`
  return [{ invariant: 'I13', what, ...(event === undefined ? {} : { step: event.step }) }]
}
