import { join, resolve } from 'node:path'
import type { Examined } from '../../engine/chaos/examine.ts'
import type { LoadedSubject } from './subject.ts'
import { systemFiles, writeWholeFile } from '../../engine/base/files.ts'
import { bundleOf, remainsOf, writeBundle } from '../../engine/chaos/bundle.ts'
import { reproduction, shellWord } from '../../engine/chaos/reproduction.ts'
import { shrink, type Shrunk } from '../../engine/chaos/shrink.ts'
import { describeFaults } from '../../engine/faults/schedule.ts'
import { packageVersion } from '../own-package.ts'
import { pictureOf } from './picture.ts'

/** Where bundles go when nothing else is said. */
export const BUNDLES = '.millrace/chaos'

/** A test of that name is not collected with the tests of the user's own. */
export const REPRODUCTION = 'reproduction.ts'

export interface FailureOptions {
  readonly jobPath: string
  /** Below it each bundle gets a folder. */
  readonly folder: string
  /** Of the bundle's folder. */
  readonly name: string
  /** Schedules that shrinking may try; 0: the run is kept as it is. */
  readonly shrinkBudget: number
  /** True when time is up; what is found until then is kept. */
  readonly isOver?: () => boolean
  readonly color: boolean
  /** Where the picture goes besides. */
  readonly picture?: string
  /** No picture in the text: one much like it has been shown. */
  readonly isBrief?: boolean
}

/**
 * Makes of a failing run what a person needs: the simplest schedule that still fails, a bundle with
 * picture, remains and a test to paste, and what to call. Returns the text to print.
 */
export async function keepFailure(
  loaded: LoadedSubject,
  failing: Examined,
  options: FailureOptions,
): Promise<string> {
  const { jobPath, shrinkBudget: budget } = options
  const shrunk = await shrunkOf(loaded, failing, options)
  const { subject, golden, examined, recordsMax } = shrunk
  const folder = join(options.folder, options.name)
  const bundle = bundleOf({
    subject,
    golden,
    examined,
    recordsMax,
    jobPath,
    jobHash: loaded.jobHash,
    millrace: await packageVersion(),
  })
  await writeBundle(systemFiles, folder, bundle, remainsOf(examined))
  const { command, test } = reproduction(bundle, folder)
  const { run, violations } = examined
  const found = { ...failing.run.schedule, violations: failing.violations }
  const width = process.stdout.isTTY ? Math.min(process.stdout.columns, 120) : 110
  const picture = pictureOf(
    { job: subject.name, ...run, violations, found },
    { width, color: options.color },
  )
  await writeWholeFile(systemFiles, join(folder, 'picture.svg'), picture.svg)
  if (options.picture !== undefined)
    await writeWholeFile(systemFiles, resolve(options.picture), picture.svg)
  await writeWholeFile(systemFiles, join(folder, REPRODUCTION), test)
  const again = `replay    ${command}${againFlags(loaded.set, bundle.parameters)}`
  const simplest = [
    ...(budget === 0 ? [] : [`shrunk in ${shrunk.tried} tries to: ${faultsOf(shrunk)}`]),
    ...(shrunk.isCut
      ? [`the time is up; to shrink further, run npx millrace chaos shrink ${shellWord(folder)}`]
      : []),
  ]
  if (options.isBrief === true) return [...simplest, again].join('\n')
  return [
    ...simplest,
    '',
    picture.terminal,
    '',
    `picture   ${join(folder, 'picture.svg')}`,
    again,
    `test      ${join(folder, REPRODUCTION)}`,
  ].join('\n')
}

async function shrunkOf(
  { subject, golden }: LoadedSubject,
  failing: Examined,
  { shrinkBudget: budget, isOver }: FailureOptions,
): Promise<Shrunk> {
  if (budget > 0) {
    return await shrink(subject, golden, failing, {
      budget,
      ...(isOver === undefined ? {} : { isOver }),
    })
  }
  const { schedule } = failing.run
  return {
    schedule,
    examined: failing,
    recordsMax: undefined,
    subject,
    golden,
    tried: 0,
    isCut: false,
  }
}

function faultsOf({ schedule, recordsMax }: Shrunk): string {
  const faults = describeFaults(schedule)
  const input = recordsMax === undefined ? '' : `, with ${recordsMax} records a split`
  return `${faults === '' ? 'no fault at all' : faults}, at parallelism ${schedule.parallelism}${input}`
}

/** What a bundle does not hold of the parameters that the run had: secrets, and those of real runs. */
export function againFlags(
  set: LoadedSubject['set'],
  held: Readonly<Record<string, unknown>> = {},
): string {
  return Object.entries(set)
    .filter(([name]) => held[name] === undefined)
    .map(([name, text]) => ` --set ${shellWord(`${name}=${text}`)}`)
    .join('')
}
