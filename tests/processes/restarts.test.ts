/**
 * A job that is started again and again leaves nothing behind: no process, no lock, no temporary
 * file, and a work folder that does not grow.
 */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { seededRandom } from '../../engine/base/random.ts'
import { expectExact, test, type Project } from '../cli/process.ts'
import { figures, firstSeed, share } from '../share.ts'
import { buildProgram } from './contenders.ts'
import { filesBelow, processesIn } from './leftovers.ts'
import { runProgram } from './program.ts'
import { sleep } from './running.ts'

const RECORDS = 200_000
/** `failing`: the chance of a record to fail, the same one not twice. */
const JOB = `
import { count, defineJob, int32, parameter, struct, utf8 } from 'millrace'
import { fileSink, generatorSource } from 'millrace/connectors'
const Count = struct({ key: utf8(), n: int32() })
const parameters = {
  failing: parameter.text({ default: '0' }),
  records: parameter.integer({ default: ${RECORDS} }),
  perSecond: parameter.integer({ default: 500 }),
}
export default defineJob('again', parameters, (env, { failing, perSecond, records }) => {
  env.checkpointing({ everyMs: 20 })
  env.restart({ strategy: 'fixed-delay', attempts: 1_000_000, delayMs: 1 })
  const chance = Number(failing)
  env.fromSource('numbers', generatorSource({
    records,
    perSecond,
    generate: (index) => ({ key: 'k' + (index % 10), index }),
  }))
    .map((record) => {
      if (chance > 0 && Math.random() < chance) throw new Error('told to fail')
      return record
    })
    .keyBy('key')
    .aggregate('count', { n: count() })
    .sinkTo('files', fileSink({ directory: './out', schema: Count }))
})
`
const WORK = 'work'

test('restarts leave no process, no lock and no temporary file, and a work folder as small as before', async ({
  project,
}) => {
  const startedMs = performance.now()
  const inProcess = share(12, 800)
  const killed = share(4, 200)
  const seed = firstSeed()
  project.write('job.ts', JOB)
  mkdirSync(project.path('tmp'))
  const program = await buildProgram('many-restarts.ts', project.path('program'))

  // Few, then all the others: what lies there after the first is what may lie there in the end.
  const first = await restartInProcess(project, program, 8)
  const before = sizes(project)
  const rest = await restartInProcess(project, program, inProcess)
  await restartKilled(project, killed, seed)
  // The last engine dies after its parent; until then it retires checkpoints.
  while (processesIn(project.folder).length > 0) await sleep(20)
  const after = sizes(project)

  const last = await project.run(
    ['run', 'job.ts', '--work-dir', WORK, '--set', 'perSecond=10000000'],
    temporary(project),
  )
  expect(last.exitCode, last.stderr).toBe(0)
  expectExact(project, RECORDS)
  figures('restarts of a job', {
    byStrategy: first.restarts + rest.restarts,
    byRunJob: first.starts + rest.starts,
    afterSigkill: killed,
    firstSeed: seed,
    stateFiles: `${before.files} → ${after.files}`,
    stateKb: `${before.kb} → ${after.kb}`,
    epochFiles: after.epochs,
    missing: 0,
    duplicates: 0,
    seconds: Math.round((performance.now() - startedMs) / 1_000),
  })
  // One snapshot more or less of each subtask of the checkpoints that are kept.
  expect(after.files).toBeLessThanOrEqual(2 * before.files + 16)
  expect(after.kb).toBeLessThanOrEqual(2 * before.kb + 64)
  expect(leftovers(project)).toEqual([])
  expect(processesIn(project.folder)).toEqual([])
}, 7_200_000)

/** TMPDIR in the project, so that whatever is left there is ours. */
function temporary(project: Project): Readonly<Record<string, string>> {
  return { TMPDIR: project.path('tmp') }
}

/** Half after failures, by the restart strategy; half after stops, by calling runJob again. */
async function restartInProcess(
  project: Project,
  program: string,
  count: number,
): Promise<{ readonly restarts: number; readonly starts: number }> {
  const half = Math.ceil(count / 2)
  const { output } = await runProgram(program, [half, half, RECORDS], project.folder)
  return JSON.parse(output.at(-1)!) as { restarts: number; starts: number }
}

/** Whole runs, each killed at a random moment, the parent or the engine with it. */
async function restartKilled(project: Project, count: number, seed: number): Promise<void> {
  const random = seededRandom(seed)
  for (let start = 0; start < count; start += 1) {
    const flags = ['--work-dir', WORK, '--parallelism', String(1 + random.int(3))]
    const run = project.start(['run', 'job.ts', ...flags], temporary(project))
    if (random.int(3) > 0) await run.saw(/ runs in /)
    await sleep(random.int(400))
    run.child.kill('SIGKILL')
    // The next one begins while the engine of this one dies.
  }
}

function sizes(project: Project): { files: number; kb: number; epochs: number } {
  const files = [...filesBelow(project.path(WORK))]
  const kept = files.filter(([path]) => !path.startsWith('epochs/'))
  return {
    files: kept.length,
    kb: Math.ceil(kept.reduce((sum, [, bytes]) => sum + bytes, 0) / 1_024),
    epochs: files.length - kept.length,
  }
}

/** What a job that is over has no use for. */
function leftovers(project: Project): readonly string[] {
  const work = [...filesBelow(project.path(WORK)).keys()].filter((path) =>
    /\.tmp$|^scratch\/|^owner\.json$|\.sock$/.test(path),
  )
  const below = (folder: string): readonly string[] =>
    [...filesBelow(project.path(folder)).keys()].map((path) => join(folder, path))
  rmSync(project.path('program'), { recursive: true, force: true })
  return [...work, ...below('tmp'), ...below('.millrace'), ...below('out.staging')]
}
