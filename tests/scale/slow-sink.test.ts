import { expect } from 'vitest'
import { test } from '../cli/process.ts'
import { Run } from './scale.ts'

/** Two exchanges of rings of 1 MiB and queues of 8 batches, filled with records of 100 bytes. */
const QUEUED_RECORDS_MAX = 150_000

test('a slow sink slows the source, and memory stays flat', async ({ project }) => {
  const run = new Run(project, { job: 'slow-sink.ts', parallelism: 2, set: {} })
  await run.runs()
  await run.until('the sink takes records', async () => (await run.step('slow')).recordsIn > 20_000)
  const early = run.residentMb.length
  await run.until('it has taken more', async () => (await run.step('slow')).recordsIn > 200_000)
  const from = await run.step('fast')
  const to = await run.step('slow')
  expect(from.recordsOut - to.recordsIn).toBeLessThan(QUEUED_RECORDS_MAX)
  const before = Math.max(...run.residentMb.slice(0, early))
  const after = Math.max(...run.residentMb.slice(early))
  expect(after - before).toBeLessThan(64)
  await run.kill()
})
