import { dirname, join, resolve } from 'node:path'
import type { ChaosMode, FaultKind } from '../../engine/chaos/actions.ts'
import type { SubjectFlags } from './subject.ts'
import { StreamError } from '../../engine/base/errors.ts'
import { makeDirectories, systemFiles, writeWholeFile } from '../../engine/base/files.ts'
import { systemRandom } from '../../engine/base/random.ts'
import { faultKinds } from '../../engine/chaos/actions.ts'
import { parseDuration } from '../../engine/graph/parameters.ts'
import { nearest } from '../../engine/graph/suggest.ts'

/** The flags of `chaos run` and `chaos exhaust`, as commander hands them over. */
export interface ChaosFlags extends SubjectFlags {
  readonly seed?: string
  readonly schedules?: string
  readonly faults?: string
  readonly budget?: string
  readonly picture?: string
  readonly strict?: boolean
  readonly depth?: string
  readonly mode?: string
  readonly out?: string
  /** `--no-shrink` */
  readonly shrink: boolean
  readonly json?: boolean
}

export function kindsOf(given: string | undefined): readonly FaultKind[] {
  const known = Object.keys(faultKinds) as FaultKind[]
  if (given === undefined) return known
  return given.split(',').map((name) => {
    const kind = known.find((one) => one === name.trim())
    if (kind !== undefined) return kind
    const near = nearest(name, known)
    throw new StreamError('USAGE', `there is no kind of fault "${name}"`, {
      hint: near === undefined ? `There are ${known.join(', ')}.` : `Did you mean "${near}"?`,
    })
  })
}

export function modeOf(given: string | undefined): ChaosMode {
  const modes = ['sim', 'threads', 'process'] as const
  const mode = modes.find((one) => one === (given ?? 'sim'))
  if (mode !== undefined) return mode
  throw new StreamError('USAGE', `there is no mode "${given}"`, {
    hint: 'sim: in one thread, over a simulated disk. threads and process: the real thing.',
  })
}

/** In ms; without one there is no end. */
export function budgetOf({ budget }: Pick<ChaosFlags, 'budget'>): number {
  if (budget === undefined) return Infinity
  const ms = parseDuration(budget)
  if (ms !== undefined && ms > 0) return ms
  throw new StreamError('USAGE', `--budget ${budget} is no duration`, {
    hint: 'Give one such as 30s or 5m.',
  })
}

export function positive(text: string, flag: string): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value > 0) return value
  throw new StreamError('USAGE', `${flag} ${text} is no whole number above 0`, {
    hint: 'Give a number such as 42.',
  })
}

/** Throws USAGE where a picture or a bundle could not be written: before a search, not after it. */
export async function checkPlaces({
  picture,
  out,
}: Pick<ChaosFlags, 'picture' | 'out'>): Promise<void> {
  if (picture !== undefined) {
    await allowed('--picture', picture, () => tryFolder(dirname(resolve(picture))))
  }
  if (out !== undefined) {
    await allowed('--out', out, async () => {
      await makeDirectories(systemFiles, resolve(out))
      await tryFolder(resolve(out))
    })
  }
}

async function tryFolder(folder: string): Promise<void> {
  const file = join(folder, `.millrace-${systemRandom.hex(8)}`)
  await writeWholeFile(systemFiles, file, '')
  await systemFiles.unlink(file)
}

async function allowed(flag: string, path: string, attempt: () => Promise<void>): Promise<void> {
  try {
    await attempt()
  } catch (cause) {
    throw new StreamError('USAGE', `nothing can be written to ${flag} ${path}`, {
      hint: 'Name a folder that is there and that you may write to.',
      cause,
    })
  }
}
