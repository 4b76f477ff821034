import { expect } from 'vitest'
import { test } from '../cli/process.ts'
import { STRANGE } from './jobs/strange-keys.ts'
import { checkpointCount, rowsOf, Run } from './scale.ts'

const ROUNDS = 8

test('strange keys, with too small a cache, through a kill at another parallelism: each its own state', async ({
  project,
}) => {
  const records = STRANGE.length * ROUNDS
  const plan = {
    job: 'strange-keys.ts',
    set: { directory: project.path('rows'), records, perSecond: 8_000 },
    env: { MILLRACE_STATE_CACHE_MB: '1' },
  }
  const first = new Run(project, { ...plan, parallelism: 2 })
  await first.runs()
  await first.until('two checkpoints are complete', () => checkpointCount(first.workDir) >= 2)
  await first.kill()
  await new Run(project, { ...plan, parallelism: 3 }).summary()

  const rows = rowsOf<{ name: string; seen: number }>(project.path('rows'))
  const found = rows.map(({ name, seen }) => `${name}: ${seen}`).sort()
  const expected = STRANGE.flatMap(([name]) =>
    Array.from({ length: ROUNDS }, (_, round) => `${name}: ${round + 1}`),
  ).sort()
  expect(found.length).toBe(expected.length)
  expect(found).toEqual(expected)
})
