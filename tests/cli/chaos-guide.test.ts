/** What docs/guide/break-your-own-job.md says is so: the mistake is found, and mended it is gone. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { Project, ROOT } from '../millrace.ts'
import { figures, share } from '../share.ts'

const project = new Project()
afterAll(() => project.remove())

const example = readFileSync(join(ROOT, 'examples/10-broken-on-purpose.ts'), 'utf8')
const guide = readFileSync(join(ROOT, 'docs/guide/break-your-own-job.md'), 'utf8')
const mended = /^```ts\n([\s\S]*?)^```$/m.exec(guide)![1]!

test('the mistake is found, and the failing run is drawn', async () => {
  project.write('broken.ts', example)
  const found = await project.run(['chaos', 'run', 'broken.ts', '--picture', 'failure.svg'])
  expect(found.exitCode, found.stderr).toBe(1)
  expect(found.stdout).toMatch(
    /sink "files": \d+ × \{"id":\d+,"cents":\d+\} is published too often/,
  )
  expect(found.stdout).toMatch(/ life \d restores \d/)
  // The bundle that the guide goes on with, whatever the seeds find.
  const replay = /^npx (millrace chaos replay \S+)/m.exec(guide)![1]!
  expect(found.stdout).toContain(replay)
  const picture = readFileSync(project.path('failure.svg'), 'utf8')
  expect(picture).toContain('is published too often')
  const schedules = Number(/^schedules +(\d+)/.exec(found.stdout)![1])
  figures('the mistake of the guide is found three times', { schedules })
})

test('with declared state nothing is found', async () => {
  project.write('mended.ts', mended)
  const schedules = share(20, 500)
  const args = ['chaos', 'run', 'mended.ts', '--schedules', String(schedules)]
  const found = await project.run(args)
  expect(found.exitCode, found.stdout + found.stderr).toBe(0)
  expect(found.stdout).toContain('violations  none')
  figures('the mended job of the guide', { schedules })
}, 600_000)

test('the picture of the guide is one', () => {
  const picture = readFileSync(join(ROOT, 'docs/guide/break-your-own-job.svg'), 'utf8')
  expect(picture).toMatch(/^<svg /)
  expect(picture).toContain('is published too often')
})
