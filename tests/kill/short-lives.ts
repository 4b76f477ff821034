import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { cleanEnvironment } from '../environment.ts'
import { CLI, enginePid, signal } from './kill-run.ts'

/** Ticks of /proc/PID/stat in a second, on every Linux. */
const TICKS_A_SECOND = 100
const LOOK_MS = 20

export interface ShortLives {
  readonly job: string
  readonly arguments: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  readonly workDir: string
  /** The engine is killed when it has used so much of the processor since its tasks began. */
  readonly cpuSeconds: number
  readonly most: number
}

/**
 * Runs a job that is killed soon after the begin of each life, until it comes to its end.
 * Time is that of the processor, so a busy machine gives a life no less. Returns how many lives
 * it took; a job that makes no progress from one to the next uses up all of them and throws.
 */
export async function livesToTheEnd(plan: ShortLives): Promise<number> {
  for (let life = 1; life <= plan.most; life += 1) {
    const code = await live(plan)
    if (code === 0) return life
    if (code !== null) throw new Error(`life ${life} ended with ${code}`)
  }
  throw new Error(`not at its end after ${plan.most} lives`)
}

/** The exit code; null when it was killed. */
function live(plan: ShortLives): Promise<number | null> {
  const child = spawn(
    process.execPath,
    [CLI, 'run', plan.job, '--work-dir', plan.workDir, '--log-format', 'json', ...plan.arguments],
    { env: { ...cleanEnvironment(), ...plan.environment }, stdio: ['ignore', 'ignore', 'pipe'] },
  )
  let killer: NodeJS.Timeout | undefined
  createInterface({ input: child.stderr }).on('line', (line) => {
    if (killer !== undefined || !saysItRuns(line)) return
    const engine = enginePid(plan.workDir)!
    const first = cpuSecondsOf(engine)
    killer = setInterval(() => {
      if (cpuSecondsOf(engine) - first < plan.cpuSeconds) return
      signal(child.pid!)
      signal(engine)
    }, LOOK_MS)
  })
  return new Promise((resolve) => {
    child.on('close', (code) => {
      clearInterval(killer)
      resolve(code)
    })
  })
}

/** The line that a run writes when its tasks begin, after a restore. */
function saysItRuns(line: string): boolean {
  return (JSON.parse(line) as { readonly msg: string }).msg === 'the job runs'
}

/** User and system time of a process; what has ended uses no more. */
function cpuSecondsOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND
  } catch {
    return 0
  }
}
