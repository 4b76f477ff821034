/** The invariants, as docs/fault-points.md lists them. */
export const invariants = {
  I1: 'what is published is what a run without faults publishes: nothing lost, nothing doubled, each key in order',
  I2: 'every complete checkpoint is a consistent cut: restored, it leads to the same output',
  I3: 'nothing of an incomplete checkpoint is visible',
  I4: 'what a subtask has for a checkpoint is published once at most, and never before the decision',
  I5: 'checkpoint ids grow over all lives',
  I6: 'from the first complete checkpoint on, there is one that verifies at every moment',
  I7: 'once a life has committed, no earlier life changes anything that is visible',
  I8: 'watermarks never go back within a life, and a timer fires once',
  I9: 'every key group has exactly one owner',
  I10: 'buffers, files and memory are bounded, and nothing is left behind after a clean end',
  I11: 'after the last fault checkpoints complete, and the job comes to its end',
  I12: 'no error is swallowed: each that was injected is told',
  I13: 'the same schedule gives the same run',
} as const

export type InvariantId = keyof typeof invariants

/** An invariant that did not hold. */
export interface Violation {
  readonly invariant: InvariantId
  /** What was found, for people. */
  readonly what: string
  /** Of the trace, where one step is to blame. */
  readonly step?: number
}

/**
 * What a person may conclude, in a sentence; undefined when nothing follows. A run that begins from
 * a checkpoint, has no fault, and publishes something else: what the checkpoint has is not all that
 * the job goes by.
 */
export function diagnosisOf(
  violations: readonly { readonly invariant: string; readonly what: string }[],
): string | undefined {
  const restored = violations
    .filter(({ invariant }) => invariant === 'I2')
    .map(({ what }) => /^restored from checkpoint (\S+): sink /.exec(what)?.[1])
    .find((id) => id !== undefined)
  if (restored === undefined) return undefined
  return (
    `a run without faults that begins from checkpoint ${restored} publishes something else: ` +
    'most likely the job remembers something that is not in its state, such as a variable'
  )
}
