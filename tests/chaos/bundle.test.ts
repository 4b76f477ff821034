/** A run is kept in a folder, and had again from it: in this process, another, another Node. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import { afterAll, expect, test } from 'vitest'
import { StreamError } from '../../engine/base/errors.ts'
import { systemFiles } from '../../engine/base/files.ts'
import { bundleOf, readBundle, remainsOf, writeBundle } from '../../engine/chaos/bundle.ts'
import { examine } from '../../engine/chaos/examine.ts'
import { replayBundle } from '../../engine/chaos/replay.ts'
import { reproduction } from '../../engine/chaos/reproduction.ts'
import { shrink } from '../../engine/chaos/shrink.ts'
import { goldenRun } from '../../engine/chaos/subject.ts'
import { Project, ROOT } from '../millrace.ts'
import { figures } from '../share.ts'
import { hashes } from './hashes.ts'
import { plantedJobs } from './planted-jobs.ts'

const project = new Project()
const built = join(ROOT, 'out', `chaos-hashes-${process.pid}`)
afterAll(async () => {
  rmSync(built, { recursive: true, force: true })
  await project.remove()
})

const [, planted] = plantedJobs
const { subject } = planted!
const golden = await goldenRun(subject, 2)
const examined = await examine(subject, golden, {
  seed: 3,
  parallelism: 2,
  faults: [
    { point: 'disk.manifest.link', nth: 2, action: { type: 'errno', errno: 'EIO' } },
    { point: 'sink.write', where: { uid: 'ids' }, nth: 9, life: 2, action: { type: 'crash' } },
  ],
})
const bundle = bundleOf({
  ...{ subject, golden, examined, jobPath: 'jobs/copy.ts', jobHash: 'abc', millrace: '0.1.0' },
})
const folder = project.path('bundle')
await writeBundle(systemFiles, folder, bundle, remainsOf(examined))

test('a bundle comes back as it was written, with what the run left', async () => {
  expect(examined.violations.length).toBeGreaterThan(0)
  expect(await readBundle(systemFiles, folder)).toEqual(JSON.parse(JSON.stringify(bundle)))
  const remains = (await systemFiles.list(join(folder, 'remains'))).toSorted()
  expect(remains).toEqual(expect.arrayContaining(['ids', 'work']))
  const manifests = await systemFiles.list(join(folder, 'remains/work/manifests'))
  expect(manifests.length).toBeGreaterThan(0)
})

test('a bundle is had again, step for step', async () => {
  const read = await readBundle(systemFiles, folder)
  const replay = await replayBundle(subject, read, { jobHash: 'abc', millrace: '0.1.0' })
  expect(replay.changes).toEqual([])
  expect(replay.difference).toBeUndefined()
  expect(replay.isSame).toBe(true)
  expect(replay.examined.violations).toEqual(bundle.violations)
})

test('a bundle of another version is had again as far as it goes, and that is said', async () => {
  const read = await readBundle(systemFiles, folder)
  const at = read.trace.findIndex(({ point }) => point === 'snapshot.cut')
  const older = read.trace.with(at, { ...read.trace[at]!, place: { uid: 'before' } })
  const replay = await replayBundle(
    subject,
    { ...read, trace: older, hash: 'other' },
    { jobHash: 'def', millrace: '0.2.0' },
  )
  expect(replay.changes).toEqual([
    'the job has changed since',
    'this is millrace 0.2.0, it was 0.1.0',
  ])
  expect(replay.isSame).toBe(false)
  expect(replay.difference).toMatch(
    new RegExp(
      `^event ${at + 1} was snapshot.cut {"uid":"before"} at step \\d+.*, is snapshot.cut {`,
    ),
  )
  expect(replay.examined.violations).toEqual(bundle.violations)
})

const slips = [
  ['"format": 1', '"format": 9', 'has format 9'],
  ['disk.manifest.link', 'disk.manifest.lik', 'schedule.faults[0].point is "disk.manifest.lik"'],
  ['"pollMs"', '"polMs"', 'settings has the field "polMs"'],
  ['"hash"', '"hsh"', 'hash is missing'],
] as const

test.each(slips)(
  'a slip in a bundle is refused with its place: %s → %s',
  async (was, is, found) => {
    const damaged = project.path('damaged')
    const head = JSON.stringify(
      { ...bundle, trace: undefined, settings: { pollMs: 5 } },
      undefined,
      1,
    )
    mkdirSync(damaged, { recursive: true })
    writeFileSync(join(damaged, 'trace.jsonl'), '')
    writeFileSync(join(damaged, 'bundle.json'), head)
    expect((await readBundle(systemFiles, damaged)).settings).toEqual({ pollMs: 5 })
    // The last: the job has a hash too.
    const at = head.lastIndexOf(was)
    const slipped = head.slice(0, at) + is + head.slice(at + was.length)
    writeFileSync(
      join(damaged, 'bundle.json'),
      was === '"format": 1' ? head.replace(was, is) : slipped,
    )
    const error = await readBundle(systemFiles, damaged).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(StreamError)
    expect((error as StreamError).code).toBe('CHAOS_SCHEDULE_INVALID')
    expect((error as StreamError).message).toContain(found)
  },
)

test('secrets are in no bundle', () => {
  const secret = { reveal: () => 'hush' }
  const withSecret = { ...subject, parameters: { user: 'ann', password: secret } }
  const facts = { subject: withSecret, golden, examined, millrace: '0.1.0' }
  expect(bundleOf(facts).parameters).toEqual({ user: 'ann' })
})

test('what is shrunk ends in a command, and in a test that fails as the run did', async () => {
  const { default: job } = (await import('./forgetful-job.ts')) as { readonly default: unknown }
  const checkpointing = { everyMs: 20, tolerableFailures: 1_000 }
  const forgetful = { name: 'forgetful', job, parameters: {}, checkpointing }
  const expected = await goldenRun(forgetful, 1)
  const faults = [{ point: 'coordinator.committed', nth: 2, action: { type: 'crash' } }] as const
  const failing = await examine(forgetful, expected, { seed: 4, parallelism: 1, faults })
  const shrunk = await shrink(forgetful, expected, failing, { budget: 20 })
  const facts = { ...shrunk, millrace: '0.1.0', jobPath: 'forgetful.mjs' }
  const { command, test: text } = reproduction(bundleOf(facts), 'it broke')
  expect(command).toBe("npx millrace chaos replay 'it broke'")
  project.write('forgetful.mjs', readFileSync(join(ROOT, 'tests/chaos/forgetful-job.ts'), 'utf8'))
  const path = project.write('again.test.mjs', text.replace("'vitest'", "'node:test'"))
  const run = spawnSync(process.execPath, [path], { cwd: project.folder, encoding: 'utf8' })
  expect(run.stdout).toContain('job "forgetful" broke what it promises')
  expect(run.stdout).toContain(failing.violations[0]!.invariant)
  expect(run.status).toBe(1)
})

/** Other Nodes to compare with, `:` between them; at least a new process of this one. */
const nodes = [process.execPath, ...(process.env['MILLRACE_TEST_NODES'] ?? '').split(':')].filter(
  (path) => path !== '',
)

test('a new process, of whatever Node, takes the same steps', async () => {
  const here = await hashes()
  const script = join(built, 'print-hashes.mjs')
  await build({
    ...{ entryPoints: [join(ROOT, 'tests/chaos/print-hashes.ts')], outfile: script },
    ...{ bundle: true, packages: 'external', format: 'esm', platform: 'node', target: 'node20' },
    alias: {
      millrace: join(ROOT, 'operators/index.ts'),
      'millrace/connectors': join(ROOT, 'connectors/index.ts'),
    },
  })
  for (const node of nodes) {
    const run = spawnSync(node, [script], { encoding: 'utf8', maxBuffer: 2 ** 26 })
    expect(run.status, run.stderr).toBe(0)
    const there = JSON.parse(run.stdout) as { readonly node: string; readonly hashes: unknown }
    figures('chaos replay in another process', { node: there.node, runs: here.length })
    expect(there.hashes, there.node).toEqual(here)
  }
}, 300_000)
