/** A run with real threads that breaks something: what is kept of it, and that it can be had again. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { runInThreads, type RealRun } from '../../cli/chaos/process.ts'
import { keepRealFailure } from '../../cli/chaos/real-failure.ts'
import { jobDefinition } from '../../engine/graph/job-definition.ts'
import { defineJob } from '../../operators/index.ts'
import { counting, Project } from '../cli/process.ts'

vi.setConfig({ testTimeout: 400_000, hookTimeout: 400_000 })

const project = new Project()
/** It counts in a variable too, which no checkpoint knows of. */
const forgetful = counting({
  top: 'let index = 0',
  map: `record = { ...record, key: index++ < 1_000 ? 'k1' : 'k2' }`,
})
const jobPath = project.write('job.ts', forgetful)
const set = { records: '2000', perSecond: '1000' }
const violations = [{ invariant: 'I1', what: 'sink "files": one row is missing' }] as const
let run: RealRun

beforeAll(async () => {
  const faults = [
    { point: 'coordinator.committed', nth: 2, action: { type: 'throw' } },
    { point: 'coordinator.committed', nth: 3, action: { type: 'crash' } },
  ] as const
  const schedule = { seed: 20, parallelism: 1, faults }
  run = await runInThreads(jobPath, schedule, { cwd: project.folder, set, outputs: ['out'] })
})
afterAll(() => project.remove())

test('it is told and drawn; its own files are kept, and no temporary folder is left', async () => {
  expect(run.lives.map(({ ended }) => ended)).toEqual(['failed', 'crash', 'finished'])
  const job = defineJob('forgetful', () => undefined)
  const subject = { name: jobDefinition(job).name, job, parameters: {} }
  const options = { jobPath, folder: project.path('kept'), color: false }
  const text = await keepRealFailure({ subject, jobHash: 'x', set }, run, violations, options)
  expect(text).toMatch(/ life 1 fails at \d+ ms: /)
  expect(text).toMatch(/ life 2 is killed at \d+ ms: /)
  expect(text).toMatch(/ life 3 finishes at \d+ ms/)
  expect(text).toContain('sink "files": one row is missing')
  const folder = project.path('kept', 'forgetful-threads-seed-20')
  expect(text).toContain(`millrace chaos replay ${folder} --set records=2000`)
  expect(existsSync(run.sandbox.folder)).toBe(false)
  const remains = join(folder, 'remains')
  expect(readdirSync(remains).sort()).toEqual(['journals', 'out', 'out.staging', 'work'])
  expect(readdirSync(join(remains, 'work'))).toContain('manifests')
  expect(readFileSync(join(folder, 'picture.svg'), 'utf8')).toMatch(/^<svg /)
})

test('its bundle is run for real again, and what breaks again is kept again', async () => {
  const bundle = project.path('kept', 'forgetful-threads-seed-20')
  const args = ['chaos', 'replay', bundle, '--set', 'records=2000', '--set', 'perSecond=1000']
  const ended = await project.run(args)
  expect({ code: ended.exitCode, stderr: ended.stderr }).toEqual({ code: 1, stderr: '' })
  expect(ended.stdout).toMatch(/I1 the job publishes what a run without faults publishes/)
  const kept = /^remains +(\S+)$/m.exec(ended.stdout)![1]!
  expect(readdirSync(kept)).toContain('work')
})
