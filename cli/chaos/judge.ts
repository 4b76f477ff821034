import { join } from 'node:path'
import type { Violation } from '../../engine/chaos/violation.ts'
import type { TraceEvent } from '../../engine/faults/trace.ts'
import type { RealRun } from './process.ts'
import { systemFiles } from '../../engine/base/files.ts'
import { signOf } from '../../engine/chaos/invariants/told.ts'
import { triggeredAgain } from '../../engine/chaos/invariants/growing-ids.ts'
import { auditFolder } from '../../engine/checkpoint/fsck.ts'
import { hasDamage } from '../../engine/checkpoint/fsck-finding.ts'
import { listOrNone } from '../../engine/checkpoint/folders.ts'
import { workLayout } from '../../engine/checkpoint/layout.ts'

/** What it takes, on a busy machine, to clean up behind a failed call of the disk. */
const ON_ITS_WAY_MS = 1_000

/** Endings that leave a life no time to tell of anything. */
const SUDDEN: readonly RealRun['lives'][number]['ended'][] = [
  'crash',
  'power-loss',
  'torn',
  'rescale',
]

/**
 * What a run with real processes or threads shows of the invariants, besides what it published
 * (I1) and that it came to its end (I11): its journals, its work folder, what it said. For runs
 * that ended well.
 */
export async function brokenInPassing(run: RealRun): Promise<readonly Violation[]> {
  const found = [...(await unsound(run)), ...(await leftIn(run))]
  return [...triggeredAgain(run.trace), ...found, ...untold(run)]
}

/** I6, at the end: every checkpoint that is kept is what was written, to the last byte. */
async function unsound({ workDir }: RealRun): Promise<readonly Violation[]> {
  const audit = await auditFolder({ files: systemFiles, folder: workDir, deep: true })
  const findings = [...audit.findings, ...audit.checkpoints.flatMap((one) => one.findings)]
  const found = findings
    .filter((finding) => hasDamage([finding]))
    .map(({ file, what }): Violation => ({ invariant: 'I6', what: `"${file}": ${what}` }))
  if (audit.checkpoints.length > 0) return found
  return [...found, { invariant: 'I6', what: 'no checkpoint is left of a job that has ended' }]
}

/**
 * I10: nothing temporary, no scratch, no owner and no staged output; what could not be deleted in
 * a last life that met a failure is the next start's to delete.
 */
async function leftIn({ lives, sandbox, trace, workDir }: RealRun): Promise<readonly Violation[]> {
  const last = lives.at(-1)!.life
  if (trace.some((event) => event.life === last && isFailure(event))) return []
  const { scratch, savepoints } = workLayout(workDir)
  const own = (await filesBelow(workDir)).filter(
    (path) =>
      !path.startsWith(`${savepoints}/`) &&
      (path.endsWith('.tmp') || path.endsWith('/owner.json') || path.startsWith(`${scratch}/`)),
  )
  const staged: string[] = []
  for (const output of sandbox.outputs) {
    staged.push(...(await filesBelow(join(sandbox.cwd, `${output}.staging`))))
  }
  return [...own, ...staged].map((path) => ({
    invariant: 'I10',
    what: `"${path}" is left after a clean end`,
  }))
}

/** Paths; none where there is no folder. */
async function filesBelow(folder: string): Promise<readonly string[]> {
  const found: string[] = []
  for (const name of await listOrNone(systemFiles, folder)) {
    const path = join(folder, name)
    const { isDirectory } = await systemFiles.stat(path)
    found.push(...(isDirectory ? await filesBelow(path) : [path]))
  }
  return found
}

/**
 * I12: each failure that was injected is in what the run said, by its own name; but for one that
 * struck shortly before its life failed of another.
 */
function untold({ lives, stderr, trace }: RealRun): readonly Violation[] {
  const failures = trace.filter(isFailure)
  return failures
    .filter((event) => {
      const record = lives.find(({ life }) => life === event.life)
      if (record === undefined || SUDDEN.includes(record.ended)) return false
      const isAlone = failures.filter(({ life }) => life === event.life).length === 1
      const isLate = record.ended === 'failed' && record.toMs - event.atMs < ON_ITS_WAY_MS
      return (isAlone || !isLate) && !stderr.includes(signOf(event))
    })
    .map((event) => ({
      invariant: 'I12',
      what: `the failure at ${event.point}, in life ${event.life}, was never told`,
      step: event.step,
    }))
}

function isFailure({ fault }: TraceEvent): boolean {
  return fault?.type === 'errno' || fault?.type === 'throw'
}
