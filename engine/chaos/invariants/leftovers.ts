import type { FaultAction } from '../../faults/schedule.ts'
import type { LifeRecord, ScheduleRun } from '../schedule-run.ts'
import type { Violation } from '../violation.ts'
import type { Invariant } from './invariant.ts'
import { workLayout, parseManifestName } from '../../checkpoint/layout.ts'
import { stagedName } from '../disk-names.ts'

/** More files than that are never open at a time in one process. */
const HANDLES_MAX = 256

/**
 * I10: files that are open at a time are bounded; and after a clean end no file is open and no
 * lock held. When its last life met no failure, nothing is left on disk either: no temporary name,
 * no scratch, no staged output, no checkpoint beyond those kept. What could not be deleted is told
 * of (I12), and is the next start's to delete.
 */
export const leftovers: Invariant = (facts) => {
  const { run } = facts
  const found: Violation[] = []
  const { handlesMax } = run.history
  if (handlesMax > HANDLES_MAX) found.push(violation(`${handlesMax} files were open at a time`))
  const last = run.lives.at(-1)!
  if (last.ended.type !== 'finished') return found
  for (const path of run.locks) found.push(violation(`the lock "${path}" is still held`))
  for (const path of run.history.openFiles(last.process)) {
    found.push(violation(`"${path}" is still open`))
  }
  const hasFailed = run.trace.some(({ life, fault }) => life === last.life && isFailure(fault))
  if (hasFailed) return found
  return [...found, ...filesLeft(facts.run, last).map((what) => violation(what))]
}

function isFailure(fault: FaultAction | undefined): boolean {
  return fault?.type === 'errno' || fault?.type === 'throw'
}

function filesLeft(run: ScheduleRun, { workDir }: LifeRecord): readonly string[] {
  const found: string[] = []
  const layout = workLayout(workDir)
  for (const path of run.disk.paths()) {
    // Savepoints are the user's, those too that were cut short.
    if (path.includes('/savepoints/')) continue
    const isOurs = path.startsWith(`${workDir}/`) || !path.startsWith('/work')
    if (path.endsWith('.tmp') && isOurs) found.push(`the temporary file "${path}" is left`)
    if (stagedName(path) !== undefined) found.push(`the staged file "${path}" is left`)
    const isScratch = path.startsWith(`${layout.scratch}/`) && !path.endsWith('/')
    if (isScratch) found.push(`the scratch file "${path}" is left`)
  }
  const { retain } = run.plan.settings.checkpointing
  const kept = run.disk.names(layout.manifests).filter((name) => parseManifestName(name)).length
  if (kept > retain) found.push(`${kept} checkpoints are kept, of ${retain}`)
  return found
}

function violation(what: string): Violation {
  return { invariant: 'I10', what }
}
