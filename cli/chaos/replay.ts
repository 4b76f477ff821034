import { basename, dirname, join, resolve } from 'node:path'
import type { ChaosBundle } from '../../engine/chaos/bundle.ts'
import type { Examined } from '../../engine/chaos/examine.ts'
import { StreamError } from '../../engine/base/errors.ts'
import { exists, systemFiles, writeWholeFile } from '../../engine/base/files.ts'
import { readBundle } from '../../engine/chaos/bundle.ts'
import { examine } from '../../engine/chaos/examine.ts'
import { randomSchedule } from '../../engine/chaos/random-schedule.ts'
import { replayBundle } from '../../engine/chaos/replay.ts'
import { violationLines } from '../../engine/chaos/report-card.ts'
import { keepFailure } from './failure.ts'
import { pictureOf } from './picture.ts'
import { checkPlaces } from './flags.ts'
import { randomOptions } from './run.ts'
import { realReplay } from './real.ts'
import { loadSubject, type SubjectFlags } from './subject.ts'
import { watched } from './watch.ts'
import { packageVersion } from '../own-package.ts'

export interface ReplayFlags extends SubjectFlags {
  readonly job?: string
  readonly faults?: string
  readonly picture?: string
  readonly out?: string
}

/** `millrace chaos replay`: a bundle, or a seed of `chaos run`. Exit code 1 when it fails again. */
export async function chaosReplayCommand(given: string, flags: ReplayFlags): Promise<number> {
  const color = process.stdout.isTTY && process.env['NO_COLOR'] === undefined
  const bundle = /^\d+$/.test(given) ? undefined : await bundleAt(given)
  if (bundle !== undefined && bundle.mode !== 'sim') {
    const { mode, schedule } = bundle
    const options = { folder: join(resolve(folderOf(given)), 'again'), color }
    const picture = flags.picture === undefined ? {} : { picture: flags.picture }
    return await watched(Infinity, (search) => {
      search.doing('searching', 'a run without a fault')
      const kept = { ...options, ...picture }
      return realReplay(jobOf(bundle, flags), flags, { mode, schedule }, kept, search)
    })
  }
  await checkPlaces(flags)
  const { job, examined, said } =
    bundle === undefined ? await ofSeed(Number(given), flags) : await ofBundle(bundle, flags)
  const { run, violations } = examined
  const width = process.stdout.isTTY ? Math.min(process.stdout.columns, 120) : 110
  const picture = pictureOf({ job, ...run, violations }, { width, color })
  const lines = [picture.terminal, '', ...said]
  lines.push(...violationLines(violations))
  if (violations.length === 0) lines.push('nothing was broken')
  if (flags.picture !== undefined) {
    await writeWholeFile(systemFiles, resolve(flags.picture), picture.svg)
    lines.push(`picture   ${flags.picture}`)
  }
  process.stdout.write(`${lines.join('\n')}\n`)
  return violations.length === 0 ? 0 : 1
}

/** `millrace chaos shrink`: makes a bundle's schedule as simple as it gets, and a bundle of that. */
export async function chaosShrinkCommand(folder: string, flags: ReplayFlags): Promise<number> {
  const bundle = await bundleAt(folder)
  const jobPath = jobOf(bundle, flags)
  const loaded = await loadSubject(jobPath, flags, bundle)
  const { subject, golden, examined } = await replayBundle(loaded.subject, bundle)
  if (examined.violations.length === 0) {
    process.stdout.write('nothing is broken any more: there is nothing to shrink\n')
    return 0
  }
  const text = await keepFailure({ ...loaded, subject, golden }, examined, {
    jobPath,
    folder: flags.out ?? dirname(resolve(folderOf(folder))),
    name: `${basename(resolve(folderOf(folder)))}-shrunk`,
    shrinkBudget: SHRINK_BUDGET,
    color: process.stdout.isTTY,
  })
  process.stdout.write(`${text}\n`)
  return 1
}

const SHRINK_BUDGET = 1_000

interface Replayed {
  readonly job: string
  readonly examined: Examined
  readonly said: readonly string[]
}

/** Whoever names its file means the bundle. */
function folderOf(given: string): string {
  return basename(given) === 'bundle.json' ? dirname(given) : given
}

async function bundleAt(given: string): Promise<ChaosBundle> {
  const folder = folderOf(given)
  if (!(await exists(systemFiles, resolve(folder)))) {
    throw new StreamError('USAGE', `there is no bundle "${folder}"`, {
      hint: 'Name the folder of a bundle, or a seed with --job.',
    })
  }
  return await readBundle(systemFiles, resolve(folder))
}

async function ofBundle(bundle: ChaosBundle, flags: ReplayFlags): Promise<Replayed> {
  const loaded = await loadSubject(jobOf(bundle, flags), flags, bundle)
  const replay = await replayBundle(loaded.subject, bundle, {
    jobHash: loaded.jobHash,
    millrace: await packageVersion(),
  })
  const same = replay.isSame
    ? 'step for step the run of the bundle'
    : `not step for step the run of the bundle: ${replay.difference ?? 'the hash differs'}`
  return { job: bundle.job.name, examined: replay.examined, said: [...replay.changes, same] }
}

async function ofSeed(seed: number, flags: ReplayFlags): Promise<Replayed> {
  if (flags.job === undefined) {
    throw new StreamError('USAGE', `seed ${seed} needs a job`, {
      hint: 'Say which: millrace chaos replay 42 --job job.ts',
    })
  }
  const loaded = await loadSubject(flags.job, flags)
  const schedule = randomSchedule(seed, randomOptions(loaded, flags))
  const { subject, golden, told: said } = loaded
  return { job: subject.name, examined: await examine(subject, golden, schedule), said }
}

function jobOf({ job }: ChaosBundle, flags: ReplayFlags): string {
  const path = flags.job ?? job.path
  if (path !== undefined) return path
  throw new StreamError('USAGE', `the bundle does not say where the script of "${job.name}" is`, {
    hint: 'Say it with --job job.ts.',
  })
}
