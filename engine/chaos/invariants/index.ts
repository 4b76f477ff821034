import type { Violation } from '../violation.ts'
import type { Invariant, RunFacts } from './invariant.ts'
import { exactlyOnce } from './exactly-once.ts'
import { liveness } from './liveness.ts'

export type { RunFacts } from './invariant.ts'

const all: readonly Invariant[] = [liveness, exactlyOnce]

/** Everything that a run broke; the first is what people are shown first. */
export async function judge(facts: RunFacts): Promise<readonly Violation[]> {
  const found: Violation[] = []
  for (const check of all) found.push(...(await check(facts)))
  return found
}
