/**
 * Chaos is graded by planted bugs: each has to be found, and shrunk to three faults at most. In a
 * soak all of them are hunted, else some that are found soon, of each kind. The engine as it is
 * must give the hunter nothing.
 */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { figures, firstSeed, share } from '../share.ts'
import { bundleHunter, plant } from './bundle.ts'
import type { Hunt } from './hunt.ts'
import { mutants, type Mutant } from './mutants.ts'

const SCHEDULES_MAX = share(400, 6_000)
const SHRINK_MAX = share(30, 200)
const FAULTS_MAX = 3
/** Of each kind some that a few schedules find; the same seed takes the same number of them. */
const FOUND_SOON = [
  'manifest-name-not-synced',
  'manifest-not-synced',
  'restored-manifest-not-synced',
  'state-not-synced',
  'state-name-not-synced',
  'staged-not-synced',
  'published-names-not-synced',
  'marker-before-output',
  'commit-before-decision',
  'recommit-skipped',
  'failed-commit-swallowed',
  'published-is-not-known-again',
  'staged-swept-too-early',
  'name-used-again',
  'second-latest-restored',
  'epoch-used-again',
  'lock-ignored',
  'aborted-files-swept',
  'read-past-barrier',
  'timers-forgotten',
]
const soon = mutants.filter(({ name }) => FOUND_SOON.includes(name))
const hunted = share(soon.length, mutants.length) === mutants.length ? mutants : soon
const run = promisify(execFile)

/** Below the project, so that the bundles find its packages. */
const OUT = fileURLToPath(new URL('../../out', import.meta.url))
let folder = ''

beforeAll(() => {
  mkdirSync(OUT, { recursive: true })
  folder = mkdtempSync(join(OUT, 'mutants-'))
})

afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

test('there are thirty planted bugs and more, each in its place', () => {
  expect(mutants.length).toBeGreaterThanOrEqual(30)
  expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length)
  for (const mutant of mutants) expect(() => plant(mutant)).not.toThrow()
  expect(soon.length).toBe(FOUND_SOON.length)
})

test('the engine as it is gives the hunter nothing', async () => {
  const schedules = share(40, 2_000)
  const hunt = await huntFor(undefined, schedules)
  figures('hunt without a bug', { schedules, ms: hunt.ms })
  expect(hunt.found, JSON.stringify(hunt)).toBe(false)
}, 1_200_000)

for (const mutant of hunted) {
  test(`${mutant.name}: ${mutant.what}`, async () => {
    const hunt = await huntFor(mutant, SCHEDULES_MAX)
    const { schedules, ms, shape = '', violation = '', faults = [], tried = 0 } = hunt
    figures('planted bug', {
      name: mutant.name,
      found: hunt.found ? 'yes' : 'NO',
      schedules,
      ms,
      shape,
      faults: faults.length,
      tried,
      violation: violation.slice(0, 100),
    })
    expect(hunt.found, `not found in ${schedules} schedules`).toBe(true)
    // With some the job does not even come to its end by itself.
    expect(violation).toMatch(/^(?:I\d+|without a fault): /)
    expect(faults.length, faults.join('; ')).toBeLessThanOrEqual(FAULTS_MAX)
  }, 1_200_000)
}

async function huntFor(mutant: Mutant | undefined, schedules: number): Promise<Hunt> {
  const bundle = join(folder, `${mutant?.name ?? 'none'}.mjs`)
  await bundleHunter(mutant, bundle)
  const argv = [bundle, String(firstSeed()), String(schedules), String(SHRINK_MAX)]
  const { stdout } = await run(process.execPath, ['--enable-source-maps', ...argv])
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as Hunt
}
