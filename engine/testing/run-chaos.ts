import { AssertionError } from 'node:assert'
import { dirname } from 'node:path'
import type { Files } from '../base/files.ts'
import type { LifeRecord } from '../chaos/schedule-run.ts'
import type { Published, RowOrder, Subject } from '../chaos/subject.ts'
import type { Violation } from '../chaos/violation.ts'
import type { Fault, FaultSchedule } from '../faults/schedule.ts'
import type { TraceEvent } from '../faults/trace.ts'
import type { ParameterValue } from '../graph/parameters.ts'
import type { CheckpointSettings } from '../graph/stream-graph.ts'
import { systemDoors } from '../base/doors.ts'
import { makeDirectories } from '../base/files.ts'
import { silentLogger } from '../base/logger.ts'
import { examine } from '../chaos/examine.ts'
import { parseSchedule } from '../chaos/parse-schedule.ts'
import { withRecordedInputs, type RecordedInputs } from '../chaos/recorded-inputs.ts'
import { resized } from '../chaos/shrink.ts'
import { goldenRun, publishedBy } from '../chaos/subject.ts'
import { describeFault, FIRST_COME } from '../faults/schedule.ts'
import { jobDefinition } from '../graph/job-definition.ts'
import { parseParameters, reviveParameters } from '../graph/parameters.ts'
import { againLines } from './again.ts'
import { withoutSentinels } from './test-source.ts'

export interface ChaosOptions extends Partial<Paces> {
  /** Values of the job's parameters; a secret is given as its text. */
  readonly parameters?: Readonly<Record<string, ParameterValue>>
  /** Of the first life; 2 when left out. */
  readonly parallelism?: number
  /**
   * Decides the order of events; 0, when left out, is first come, first served. Try several: the
   * same seed gives the same run.
   */
  readonly seed?: number
  /** What is done to it, besides what its test sources ask for. */
  readonly faults?: readonly Fault[]
  /** In place of what the job asks for; checkpoints come every 20 ms when left out. */
  readonly checkpointing?: Partial<CheckpointSettings>
  /** Input files by path. The disk is in memory, and empty but for these. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>
  /** By sink: rows, JSON objects, of one `key` come in the order of the field `by`. */
  readonly orders?: Readonly<Record<string, RowOrder>>
  /** Every split of every source ends after so many records. */
  readonly recordsMax?: number
  /**
   * What sources on other machines hold, by their uid: the `input.json` of a bundle. For a Kafka
   * source that is left out its brokers are read once, to what is there now, 5,000 records at most.
   */
  readonly recorded?: RecordedInputs
}

/** What a run with faults did. */
export interface ChaosResult {
  readonly job: string
  readonly schedule: FaultSchedule
  /** As they were given. */
  readonly options: ChaosOptions
  /** What it broke, the worst first; none: all holds. */
  readonly violations: readonly Violation[]
  /** By sink: every row that a reader sees at the end, as its text. */
  readonly published: Published
  /** The same of the run without a fault. */
  readonly expected: Published
  readonly lives: readonly LifeRecord[]
  readonly trace: readonly TraceEvent[]
  /** Of the trace: two runs with one hash took the same steps. */
  readonly hash: string
  /** Faults of the schedule that struck, and those that found no moment to. */
  readonly fired: readonly Fault[]
  readonly missed: readonly Fault[]
}

/** What makes a small input take its time, and one thread do the work of several. */
type Paces = Pick<Subject, 'workers' | 'stateCacheMb' | 'pollMs' | 'batchRecords'>

const PACES = ['workers', 'stateCacheMb', 'pollMs', 'batchRecords'] as const

const CHECKPOINTING = { everyMs: 20, timeoutMs: 1_000, tolerableFailures: 1_000 } as const

/**
 * Runs a job without faults, and then with those given, through as many lives as it takes, and
 * judges what it published. All in this thread, in simulation: a virtual clock, a disk in memory.
 * Its sources must be readable again and have an end, its sinks must commit.
 *
 * Throws CHAOS_UNFIT and CHAOS_NOT_DETERMINISTIC for a job that cannot be judged. What the job
 * breaks is no exception: look at `violations`, or call `expectExactlyOnce`.
 */
export async function runChaos(job: unknown, options: ChaosOptions = {}): Promise<ChaosResult> {
  const { name } = jobDefinition(job)
  const { parallelism = 2, seed = FIRST_COME, faults = [] } = options
  const schedule = parseSchedule({ seed, parallelism, faults })
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
    job,
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
  const message = [
    `job "${job}" broke what it promises`,
    ...violations.map(({ invariant, what }) => `  ${invariant}: ${what}`),
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
