/** The same faults as in simulation, on real processes, threads and disks. */
import {
  appendFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, expect, test, vi } from 'vitest'
import { brokenInPassing } from '../../cli/chaos/judge.ts'
import { makeSandbox, relativeOutput, removeSandbox } from '../../cli/chaos/sandbox.ts'
import { runInProcesses, runInThreads, type RealRun } from '../../cli/chaos/process.ts'
import type { Fault, FaultAction } from '../../engine/faults/schedule.ts'
import { brokenLife } from '../../engine/worker/real-faults.ts'
import { systemDoors } from '../../engine/base/doors.ts'
import { silentLogger } from '../../engine/base/logger.ts'
import { counting, Project } from '../cli/process.ts'

vi.setConfig({ testTimeout: 240_000 })

const RECORDS = 3_000
const PAUSE_MS = 2_000
const modes = [
  { mode: 'process', run: runInProcesses },
  { mode: 'threads', run: runInThreads },
] as const

const project = new Project()
const jobPath = project.write('job.ts', counting())
const set = { records: String(RECORDS), perSecond: '2000' }
const runs: RealRun[] = []

afterEach(() => {
  for (const { sandbox } of runs.splice(0)) removeSandbox(sandbox)
})

afterAll(() => project.remove())

function fault(point: Fault['point'], nth: number, action: FaultAction): Fault {
  return { point, nth, action }
}

async function broken(
  run: typeof runInProcesses,
  faults: readonly Fault[],
  parallelism = 2,
): Promise<RealRun> {
  const schedule = { seed: 1, parallelism, faults }
  const options = { cwd: project.folder, set, outputs: ['out'] }
  const ended = await run(jobPath, schedule, options)
  runs.push(ended)
  expect({ exitCode: ended.exitCode, stderr: ended.exitCode === 0 ? '' : ended.stderr }).toEqual({
    exitCode: 0,
    stderr: '',
  })
  expectExact(ended)
  expect(await brokenInPassing(ended)).toEqual([])
  expect(ended.fired).toEqual(faults.map((_, index) => index))
  // In whatever order they came: each where it belongs, and once.
  const struck = ended.trace.flatMap((event) =>
    event.fault === undefined ? [] : [{ point: event.point, action: event.fault }],
  )
  const planned = faults.map(({ point, action }) => ({ point, action }))
  expect(struck).toHaveLength(planned.length)
  expect(struck).toEqual(expect.arrayContaining(planned))
  for (const [index, { life, step }] of ended.trace.entries()) {
    const before = ended.trace[index - 1]
    if (before?.life === life) expect(step).toBeGreaterThan(before.step)
  }
  return ended
}

/** Each key's 1 to n, once each. */
function expectExact({ sandbox }: RealRun): void {
  const folder = join(sandbox.cwd, 'out')
  const rows = readdirSync(folder)
    .filter((name) => name.endsWith('.jsonl'))
    .flatMap((name) => readFileSync(join(folder, name), 'utf8').trimEnd().split('\n'))
  const expected = Array.from({ length: RECORDS }, (_, index) =>
    JSON.stringify({ key: `k${index % 10}`, n: Math.floor(index / 10) + 1 }),
  )
  expect(rows.sort()).toEqual(expected.sort())
}

const ends = (run: RealRun): readonly string[] => run.lives.map(({ ended }) => ended)

for (const { mode, run } of modes) {
  test(`${mode}: crashes of the master and of a worker; what struck does not strike again`, async () => {
    const ended = await broken(run, [
      fault('coordinator.written', 1, { type: 'crash' }),
      {
        point: 'snapshot.cut',
        where: { uid: 'numbers', subtask: 1 },
        nth: 2,
        action: { type: 'crash' },
      },
    ])
    expect(ends(ended)).toEqual(['crash', 'crash', 'finished'])
    // Decided before the crash: the next life goes on from it.
    expect(ended.trace.some(({ life, point }) => life === 2 && point === 'recover.verify')).toBe(
      true,
    )
  })

  test(`${mode}: a call of the disk that fails, a lost message, a late one, a step that throws`, async () => {
    const ended = await broken(run, [
      fault('disk.state.sync', 1, { type: 'errno', errno: 'EIO' }),
      fault('snapshot.acknowledge', 3, { type: 'delay', ms: 30 }),
      fault('coordinator.confirm', 1, { type: 'drop' }),
      fault('coordinator.committed', 2, { type: 'throw' }),
    ])
    // A checkpoint that fails ends this job's life, as it tolerates none; so does the step.
    expect(ends(ended)).toEqual(['failed', 'failed', 'finished'])
  })
}

test('what a real run shows is judged: ids, checkpoints, leftovers, what it was told', async () => {
  const failing = fault('coordinator.committed', 1, { type: 'throw' })
  const ended = await broken(runInThreads, [failing], 1)
  const judged = async (change: Partial<RealRun>): Promise<readonly string[]> => {
    const found = await brokenInPassing({ ...ended, ...change })
    return found.map(({ invariant, what }) => `${invariant} ${what.replace(/".*"/, 'it')}`)
  }
  expect(await judged({})).toEqual([])
  expect(await judged({ stderr: '' })).toEqual([
    'I12 the failure at coordinator.committed, in life 1, was never told',
  ])
  const triggers = ended.trace.filter(({ point }) => point === 'coordinator.trigger')
  expect(await judged({ trace: [...ended.trace, triggers[0]!] })).toEqual([
    expect.stringMatching(/^I5 checkpoint 1\.1 follows 2\./),
  ])
  writeFileSync(join(ended.sandbox.cwd, 'out.staging', 'files', 'left.jsonl'), 'left')
  expect(await judged({})).toEqual(['I10 it is left after a clean end'])
  rmSync(join(ended.sandbox.cwd, 'out.staging'), { recursive: true })
  const state = join(ended.workDir, 'state')
  appendFileSync(join(state, readdirSync(state)[0]!), 'x')
  // Of several checkpoints that name it, each.
  expect([...new Set(await judged({}))]).toEqual([expect.stringMatching(/^I6 it: /)])
})

test('process: a torn write, a pause, another parallelism', async () => {
  const ended = await broken(runInProcesses, [
    fault('disk.manifest.write', 1, { type: 'torn', bytes: 7 }),
    fault('coordinator.write', 1, { type: 'pause', ms: PAUSE_MS }),
    fault('coordinator.write', 2, { type: 'rescale', parallelism: 1 }),
  ])
  expect(ends(ended)).toEqual(['torn', 'rescale', 'finished'])
  const last = ended.trace.filter(({ life, point }) => life === 3 && point === 'task.open')
  expect(new Set(last.map(({ place }) => place.subtask))).toEqual(new Set([0]))
  // Other threads may come a step further before all of the process stands still.
  const at = ended.trace.findIndex(({ fault: found }) => found?.type === 'pause')
  const times = ended.trace.slice(at).map(({ atMs }) => atMs)
  const gaps = times.slice(1).map((atMs, index) => atMs - times[index]!)
  expect(Math.max(...gaps)).toBeGreaterThan(PAUSE_MS - 100)
})

test('a second start beside a job that is asked to stop with a savepoint: one writer', async () => {
  const ended = await broken(runInProcesses, [
    fault('coordinator.written', 1, { type: 'fence', takeOver: false }),
    fault('coordinator.written', 2, { type: 'ask', request: 'stop-with-savepoint' }),
  ])
  // Refused; or it came when the first had stopped, and did the rest.
  expect(ended.twins).toHaveLength(1)
  expect([0, 4]).toContain(ended.twins[0])
})

test('where NODE_ENV is production nothing is broken, unless it is forced', () => {
  const doors = systemDoors(silentLogger)
  const environment = { MILLRACE_CHAOS: 'none.json', NODE_ENV: 'production' }
  expect(() => brokenLife(doors, environment)).toThrow(/NODE_ENV is production/)
  expect(brokenLife(doors, { NODE_ENV: 'production' })).toBeUndefined()
})

test('inputs are linked into the folder of a run, outputs are not; links are not gone through', async () => {
  const other = new Project()
  try {
    other.write('data/in/a.txt', 'a')
    other.write('data/results/old.jsonl', '{}')
    const schedule = { seed: 1, parallelism: 1, faults: [] }
    const outputs = [relativeOutput('./data/results', 'files')]
    const sandbox = await makeSandbox('job.ts', schedule, { cwd: other.folder, outputs })
    expect(readFileSync(join(sandbox.cwd, 'data/in/a.txt'), 'utf8')).toBe('a')
    expect(readdirSync(join(sandbox.cwd, 'data'))).toEqual(['in'])
    expect(readdirSync(sandbox.cwd)).toEqual(['data'])
    removeSandbox(sandbox)
    expect(existsSync(sandbox.folder)).toBe(false)
    expect(other.has('data/in/a.txt')).toBe(true)
    expect(() => relativeOutput('/results', 'files')).toThrow(/not below the current directory/)
    expect(() => relativeOutput('../results', 'files')).toThrow(/not below the current directory/)
  } finally {
    await other.remove()
  }
})
