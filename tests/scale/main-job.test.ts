import { join } from 'node:path'
import { expect } from 'vitest'
import { test } from '../cli/process.ts'
import { ROOT } from '../millrace.ts'
import { Run } from './scale.ts'

test('the main job runs in 512 MiB, parent and engine together', async ({ project }) => {
  const records = 900_000
  const run = new Run(project, {
    job: join(ROOT, 'examples/start/shop.ts'),
    parallelism: 2,
    set: { directory: project.path('out'), records, perSecond: 150_000 },
  })
  expect(await run.summary()).toMatchObject({ status: 'finished', recordsIn: records })
  expect(run.residentMb.length).toBeGreaterThan(20)
  expect(run.peakMb).toBeLessThan(512)
})
