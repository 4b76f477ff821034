import { execFileSync } from 'node:child_process'
import { dirname, join, resolve } from 'node:path'
import type { TimelineLife } from '../../engine/chaos/timeline/model.ts'
import type { Violation } from '../../engine/chaos/violation.ts'
import type { RealRun } from './process.ts'
import type { LoadedJob } from './subject.ts'
import { exists, makeDirectories, systemFiles, writeWholeFile } from '../../engine/base/files.ts'
import { BUNDLE_FORMAT, writeBundle, type ChaosBundle } from '../../engine/chaos/bundle.ts'
import { violationLines } from '../../engine/chaos/report-card.ts'
import { shellWord } from '../../engine/chaos/reproduction.ts'
import { describeFaults } from '../../engine/faults/schedule.ts'
import { traceHash } from '../../engine/faults/trace.ts'
import { againFlags } from './failure.ts'
import { pictureOf } from './picture.ts'
import { removeSandbox } from './sandbox.ts'
import { packageVersion } from '../own-package.ts'

export interface RealFailureOptions {
  readonly jobPath: string
  /** Below it each bundle gets a folder. */
  readonly folder: string
  readonly color: boolean
  /** Where the picture goes besides. */
  readonly picture?: string
}

/**
 * Keeps a failing run with real processes or threads: a bundle whose `remains` are the files of the
 * run itself, moved out of its sandbox, which is removed. Returns the text to print.
 */
export async function keepRealFailure(
  loaded: Pick<LoadedJob, 'subject' | 'jobHash' | 'set'>,
  run: RealRun,
  violations: readonly Violation[],
  options: RealFailureOptions,
): Promise<string> {
  const { subject, jobHash, set } = loaded
  const { schedule, mode } = run
  const folder = join(options.folder, `${subject.name}-${mode}-seed-${schedule.seed}`)
  const bundle: ChaosBundle = {
    format: BUNDLE_FORMAT,
    mode,
    job: { name: subject.name, path: options.jobPath, hash: jobHash },
    parameters: set,
    settings: {},
    schedule,
    goldenSteps: 0,
    violations,
    hash: traceHash(run.trace),
    versions: { millrace: await packageVersion(), node: process.versions.node },
    trace: run.trace,
  }
  const picture = pictureOfReal(subject.name, run, violations, options.color)
  await writeBundle(systemFiles, folder, bundle, [])
  await writeWholeFile(systemFiles, join(folder, 'picture.svg'), picture.svg)
  await writeWholeFile(systemFiles, join(folder, 'stderr.txt'), run.stderr)
  if (options.picture !== undefined)
    await writeWholeFile(systemFiles, resolve(options.picture), picture.svg)
  await moveRemains(run, join(folder, 'remains'))
  removeSandbox(run.sandbox)
  return [
    picture.terminal,
    '',
    `seed ${schedule.seed}, parallelism ${schedule.parallelism}: ${describeFaults(schedule)}`,
    ...violationLines(violations),
    `picture   ${join(folder, 'picture.svg')}`,
    `remains   ${join(folder, 'remains')}`,
    `again     npx millrace chaos replay ${shellWord(folder)}${againFlags(set)}`,
  ].join('\n')
}

/** A real run as a picture: its lives say how they ended, and no more. */
export function pictureOfReal(
  job: string,
  run: RealRun,
  violations: readonly Violation[],
  color: boolean,
): ReturnType<typeof pictureOf> {
  const { schedule, trace, fired } = run
  const lives = run.lives.map(({ life, ended, fromMs, toMs }): TimelineLife => {
    return { life, parallelism: schedule.parallelism, ended: { type: ended }, fromMs, toMs }
  })
  const width = process.stdout.isTTY ? Math.min(process.stdout.columns, 120) : 110
  return pictureOf({ job, schedule, trace, lives, fired, violations }, { width, color })
}

/** What the run wrote, and nothing of what was linked for it to read. */
async function moveRemains({ sandbox }: RealRun, remains: string): Promise<void> {
  const { folder, cwd, outputs } = sandbox
  const work = (await systemFiles.list(folder)).filter((name) => /^(?:work|journals)/.test(name))
  const written = [
    ...work.map((name) => [join(folder, name), name] as const),
    ...outputs.flatMap((output) => {
      const both = [output, `${output}.staging`]
      return both.map((path) => [join(cwd, path), path] as const)
    }),
  ]
  await makeDirectories(systemFiles, remains)
  for (const [from, name] of written) {
    if (!(await exists(systemFiles, from))) continue
    const to = join(remains, name)
    await makeDirectories(systemFiles, dirname(to))
    // Also to another file system.
    execFileSync('mv', ['--', from, to])
  }
}
