import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemFiles } from '../base/files.ts'
import { planBundle } from './job-plan.ts'

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'plans-'))
})
afterEach(() => rm(root, { recursive: true }))

/** Counts how often it is evaluated, and is no job. */
const SCRIPT = 'globalThis.evaluated = (globalThis.evaluated ?? 0) + 1\n'

async function evaluations(name: string, text: string): Promise<number> {
  const path = join(root, name)
  await writeFile(path, text)
  await expect(planBundle(path, { set: {} }, systemFiles)).rejects.toMatchObject({
    code: 'JOB_INVALID',
  })
  return (globalThis as { readonly evaluated?: number }).evaluated ?? 0
}

test('the same code is imported once, wherever it lies; one that failed is imported again', async () => {
  const first = await evaluations('1.mjs', SCRIPT)
  expect(await evaluations('2.mjs', SCRIPT)).toBe(first)
  expect(await evaluations('3.mjs', `${SCRIPT}// changed\n`)).toBe(first + 1)

  const failing = `${SCRIPT}throw new Error('not yet')\n`
  expect(await evaluations('4.mjs', failing)).toBe(first + 2)
  expect(await evaluations('5.mjs', failing)).toBe(first + 3)
})
