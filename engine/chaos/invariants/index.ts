import type { Violation } from '../violation.ts'
import type { Invariant, RunFacts } from './invariant.ts'
import { alwaysRestorable } from './always-restorable.ts'
import { consistentCut } from './consistent-cut.ts'
import { eventTime } from './event-time.ts'
import { everythingTold } from './told.ts'
import { exactlyOnce } from './exactly-once.ts'
import { fence } from './fence.ts'
import { growingIds } from './growing-ids.ts'
import { keyGroups } from './key-groups.ts'
import { leftovers } from './leftovers.ts'
import { liveness } from './liveness.ts'
import { nothingIncomplete, publishedOnce } from './published-names.ts'
import { sameAgain } from './same-again.ts'
import { timersFire } from './timers-fire.ts'

export type { CloseFacts, LifeEnd, RunFacts } from './invariant.ts'

/** What is plain to people first. */
const all: readonly Invariant[] = [
  liveness,
  exactlyOnce,
  nothingIncomplete,
  publishedOnce,
  growingIds,
  alwaysRestorable,
  fence,
  eventTime,
  timersFire,
  keyGroups,
  leftovers,
  everythingTold,
  consistentCut,
  sameAgain,
]

/** Everything that a run broke; the first is what people are shown first. */
export async function judge(facts: RunFacts): Promise<readonly Violation[]> {
  const found: Violation[] = []
  for (const check of all) found.push(...(await check(facts)))
  return found
}
