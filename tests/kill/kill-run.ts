import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { seededRandom, type Random } from '../../engine/base/random.ts'
import { cleanEnvironment } from '../environment.ts'

const PROJECT = fileURLToPath(new URL('../../', import.meta.url))
export const CLI = join(PROJECT, 'dist/cli/main.js')

export interface KillPlan {
  /** Path of the job below `tests/jobs`. */
  readonly job: string
  readonly set: Readonly<Record<string, string>>
  readonly workDir: string
  /** One run a number; every run but the last is killed. */
  readonly parallelisms: readonly number[]
  readonly seed: number
  /** A run is killed at a random moment up to here after its start, ms. */
  readonly killWithinMs: number
}

export interface KillReport {
  readonly kills: number
  /** What each run was stopped by, for the message of a failing test. */
  readonly history: readonly string[]
  readonly summary: Readonly<Record<string, unknown>>
}

/**
 * Runs a job again and again, killing its processes by SIGKILL at random moments, and lets the last
 * run come to its end. Which process dies is chance too: the parent, the engine, or both at once.
 */
export async function runWithKills(plan: KillPlan): Promise<KillReport> {
  const random = seededRandom(plan.seed)
  const history: string[] = []
  let kills = 0
  for (const parallelism of plan.parallelisms.slice(0, -1)) {
    const run = start(plan, parallelism)
    const afterMs = random.int(plan.killWithinMs)
    const ended = await Promise.race([run.done, sleep(afterMs)])
    if (ended !== undefined) {
      // It was faster than the killer: the same command again must say so, and change nothing.
      history.push(`p${parallelism} ended by itself with ${ended.code}`)
      if (ended.code !== 0) throw new Error(`${history.join('\n')}\n${ended.output}`)
      continue
    }
    history.push(`p${parallelism} ${await kill(run, plan.workDir, random)} after ${afterMs} ms`)
    kills += 1
  }
  const last = start(plan, plan.parallelisms.at(-1)!)
  const { code, output } = await last.done
  if (code !== 0)
    throw new Error(`the last run ended with ${code}\n${history.join('\n')}\n${output}`)
  const summary = JSON.parse(output.trim().split('\n').at(-1)!) as Record<string, unknown>
  return { kills, history, summary }
}

interface Run {
  readonly pid: number
  readonly done: Promise<{ readonly code: number | null; readonly output: string }>
}

function start(plan: KillPlan, parallelism: number): Run {
  const set = Object.entries(plan.set).flatMap(([name, value]) => ['--set', `${name}=${value}`])
  const job = join(PROJECT, 'tests/jobs', plan.job)
  const child = spawn(
    process.execPath,
    [
      CLI,
      'run',
      job,
      '--json',
      '--work-dir',
      plan.workDir,
      '--parallelism',
      String(parallelism),
      ...set,
    ],
    { cwd: PROJECT, env: cleanEnvironment(), stdio: ['ignore', 'pipe', 'pipe'] },
  )
  let output = ''
  let errors = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  const done = new Promise<{ code: number | null; output: string }>((resolve) => {
    child.on('close', (code) => {
      resolve({ code, output: code === 0 ? output : errors + output })
    })
  })
  return { pid: child.pid!, done }
}

/** SIGKILL to the parent, to the engine, or to both; then nothing of the run is alive. */
async function kill(run: Run, workDir: string, random: Random): Promise<string> {
  const engine = enginePid(workDir)
  const victim =
    engine === undefined ? 'parent' : (['parent', 'engine', 'both'] as const)[random.int(3)]!
  if (victim !== 'parent') signal(engine!)
  if (victim === 'engine') {
    // The parent starts the engine again by itself: let it, for a moment, then kill it too.
    await sleep(random.int(1_500))
  }
  signal(run.pid)
  await run.done
  return `${victim} killed`
}

/** Undefined: no engine has the folder. */
export function enginePid(workDir: string): number | undefined {
  try {
    const owner = JSON.parse(readFileSync(join(workDir, 'owner.json'), 'utf8')) as { pid: number }
    return owner.pid
  } catch {
    return undefined
  }
}

/** SIGKILL; a process that has ended by itself is none the worse. */
export function signal(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}

function sleep(ms: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(() => resolve(undefined), ms))
}
