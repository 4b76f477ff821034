import { AssertionError } from 'node:assert'
import { dirname } from 'node:path'
import type { Files } from '../base/files.ts'
import type { LifeRecord } from '../chaos/schedule-run.ts'
import type { Published, Subject } from '../chaos/subject.ts'
import type { ChaosOptions, ChaosResult } from './chaos-result.ts'
import { systemDoors } from '../base/doors.ts'
import { makeDirectories } from '../base/files.ts'
import { silentLogger } from '../base/logger.ts'
import { examine } from '../chaos/examine.ts'
import { parseSchedule } from '../chaos/parse-schedule.ts'
import { withRecordedInputs } from '../chaos/recorded-inputs.ts'
import { resized } from '../chaos/shrink.ts'
import { goldenRun, publishedBy } from '../chaos/subject.ts'
import { diagnosisOf } from '../chaos/violation.ts'
import { withoutPrinting } from '../chaos/without-printing.ts'
import { describeFault, FIRST_COME } from '../faults/schedule.ts'
import { jobDefinition } from '../graph/job-definition.ts'
import { parseParameters, reviveParameters } from '../graph/parameters.ts'
import { againLines } from './again.ts'
import { withoutSentinels } from './test-source.ts'

const PACES = ['workers', 'stateCacheMb', 'pollMs', 'batchRecords'] as const

const CHECKPOINTING = { everyMs: 20, timeoutMs: 1_000, tolerableFailures: 1_000 } as const

/**
 * Runs a job without faults, and then with those given, through as many lives as it takes, and
 * judges what it published. All in this thread, in simulation: a virtual clock, a disk in memory.
 * Its sources must be readable again and have an end, its sinks must commit.
 *
 * Throws CHAOS_UNFIT, CHAOS_NOT_DETERMINISTIC and CHAOS_DEPENDS_ON_ARRIVAL for a job that cannot be
 * judged. What the job breaks is no exception: look at `violations`, or call `expectExactlyOnce`.
 */
export async function runChaos(job: unknown, options: ChaosOptions = {}): Promise<ChaosResult> {
  const { name } = jobDefinition(job)
  const { parallelism = 2, seed = FIRST_COME, faults = [], flow } = options
  const schedule = parseSchedule({ seed, parallelism, faults, flow })
  const local = await subjectOf(name, job, options)
  const doors = systemDoors(silentLogger)
  const { subject: whole } = await withRecordedInputs(local, doors, options.recorded)
  const faultless = { ...whole, job: withoutSentinels(whole.job) }
  const golden = await goldenRun(resized(faultless, options.recordsMax), parallelism)
  const subject = resized(whole, options.recordsMax)
  const { run, violations } = await examine(subject, golden, schedule)
  const { lives, trace, hash, fired } = run
  return {
    job: name,
    schedule,
    options,
    violations,
    published: await publishedBy(run),
    expected: golden.published,
    lives,
    trace,
    hash,
    fired: fired.map((index) => schedule.faults[index]!),
    missed: schedule.faults.filter((_, index) => !fired.includes(index)),
  }
}

async function subjectOf(name: string, job: unknown, options: ChaosOptions): Promise<Subject> {
  const { parameters = {}, checkpointing, files, orders } = options
  const open = jobDefinition(job).parameters.filter((one) => parameters[one.name] === undefined)
  const defaults = await parseParameters(name, open, {}, () => '')
  const given = PACES.filter((pace) => options[pace] !== undefined)
  return {
    ...Object.fromEntries(given.map((pace) => [pace, options[pace]])),
    name,
    job: withoutPrinting(job),
    parameters: reviveParameters({ ...defaults, ...parameters }),
    checkpointing: { ...CHECKPOINTING, ...checkpointing },
    ...(files === undefined ? {} : { prepare: (disk) => writeAll(disk, files) }),
    ...(orders === undefined ? {} : { orders }),
  }
}

async function writeAll(
  disk: Files,
  files: Readonly<Record<string, string | Uint8Array>>,
): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await makeDirectories(disk, dirname(path))
    const handle = await disk.open(path, 'create')
    await handle.write(typeof content === 'string' ? new TextEncoder().encode(content) : content)
    await handle.sync()
    await handle.close()
    await disk.syncDirectory(dirname(path))
  }
}

/** Throws when the run broke something: says what, under which faults, and how to have it again. */
export function expectExactlyOnce(result: ChaosResult): void {
  const { job, schedule, violations, lives, published, expected } = result
  if (violations.length === 0) return
  const { faults } = schedule
  const diagnosis = diagnosisOf(violations)
  const message = [
    `job "${job}" broke what it promises`,
    ...violations.map(({ invariant, what }) => `  ${invariant}: ${what}`),
    ...(diagnosis === undefined ? [] : [`  → ${diagnosis}`]),
    `under: ${faults.length === 0 ? 'what its input asks for' : ''}`,
    ...faults.map((fault) => `  ${describeFault(fault)}`),
    'lives:',
    ...lives.map((life) => `  ${life.life}: ${describeEnd(life)}`),
    ...againLines(result),
  ].join('\n')
  throw new AssertionError({
    message,
    actual: sorted(published),
    expected: sorted(expected),
    operator: 'expectExactlyOnce',
    stackStartFn: expectExactlyOnce,
  })
}

function describeEnd({ parallelism, ended }: LifeRecord): string {
  const how = ended.type === 'failed' ? `${ended.error.code}: ${ended.error.message}` : ended.type
  return `at parallelism ${parallelism}, ${how}`
}

/** So that those who show the difference of the two show rows, not their order. */
function sorted(published: Published): Published {
  return Object.fromEntries(
    Object.entries(published).map(([uid, rows]) => [uid, rows.toSorted()] as const),
  )
}
