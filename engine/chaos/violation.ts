/** The invariants, as docs/fault-points.md lists them. */
export const invariants = {
  I1: 'the job publishes what a run without faults publishes: no row lost, no row doubled, each key in order',
  I2: 'every complete checkpoint is consistent: a run that restores it publishes the same output',
  I3: 'no output of an incomplete checkpoint is visible',
  I4: 'a checkpoint publishes the output of each subtask at most once, and only when it is complete',
  I5: 'checkpoint numbers grow over all lives',
  I6: 'from the first complete checkpoint on, an intact one exists at every moment',
  I7: 'once a life has committed, no earlier life changes visible output',
  I8: 'within a life, watermarks never go back and each timer fires once',
  I9: 'every key group has exactly one owner',
  I10: 'buffers, files and memory are bounded, and nothing is left behind after a clean end',
  I11: 'after the last fault, checkpoints complete and the job finishes',
  I12: 'no error is swallowed: the log names each injected error',
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
    `a run that restores checkpoint ${restored} publishes something else even without a fault: ` +
    'the job probably remembers something outside its state, such as in a variable'
  )
}
