import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { askJob } from '../../cli/control-client.ts'
import { Project, ROOT, type Started } from '../millrace.ts'

/** Jobs of this suite as real processes: their memory, their counters, their files. */
export const JOBS = join(ROOT, 'tests/scale/jobs')

export interface RunPlan {
  /** A job file: of this suite by name, any other by absolute path. */
  readonly job: string
  readonly parallelism: number
  readonly set: Readonly<Record<string, string | number>>
  readonly env?: Readonly<Record<string, string>>
  readonly workDir?: string
}

/** One run of a job, watched from outside. */
export class Run {
  readonly workDir: string
  readonly started: Started
  /** Resident MiB of parent and engine together, every 50 ms. */
  readonly residentMb: number[] = []
  readonly #timer: NodeJS.Timeout

  constructor(project: Project, plan: RunPlan) {
    this.workDir = project.path(plan.workDir ?? 'work')
    const set = Object.entries(plan.set).flatMap(([name, value]) => ['--set', `${name}=${value}`])
    const path = plan.job.startsWith('/') ? plan.job : join(JOBS, plan.job)
    const places = ['--work-dir', this.workDir, '--parallelism', String(plan.parallelism)]
    this.started = project.start(['run', path, '--json', ...places, ...set], plan.env)
    this.#timer = setInterval(() => {
      const own = resident(this.started.child.pid)
      const engine = resident(this.enginePid())
      if (engine > 0) this.residentMb.push(own + engine)
    }, 50)
  }

  get peakMb(): number {
    return Math.max(0, ...this.residentMb)
  }

  enginePid(): number | undefined {
    try {
      const text = readFileSync(join(this.workDir, 'owner.json'), 'utf8')
      return (JSON.parse(text) as { readonly pid: number }).pid
    } catch {
      return undefined
    }
  }

  /** Its end, which must be a good one: the summary. */
  async summary(wanted = 0): Promise<Readonly<Record<string, unknown>>> {
    const { exitCode, stdout, stderr } = await this.started.ended
    clearInterval(this.#timer)
    if (exitCode !== wanted) throw new Error(`the run ended with ${exitCode}\n${stderr}`)
    return JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as Record<string, unknown>
  }

  /** SIGKILL to parent and engine. */
  async kill(): Promise<void> {
    const engine = this.enginePid()
    if (engine !== undefined) process.kill(engine, 'SIGKILL')
    this.started.child.kill('SIGKILL')
    await this.started.ended
    clearInterval(this.#timer)
  }

  /** Clean stop: a last checkpoint and its commits. */
  stop(): Promise<Readonly<Record<string, unknown>>> {
    this.started.child.kill('SIGTERM')
    return this.summary(143)
  }

  /** What the steps have taken and given so far, by a part of their name. */
  async step(name: string): Promise<{ readonly recordsIn: number; readonly recordsOut: number }> {
    const status = (await askJob(this.workDir, { type: 'status' })) as unknown as {
      readonly steps: readonly { name: string; recordsIn: number; recordsOut: number }[]
    }
    const found = status.steps.find((step) => step.name.includes(name))
    if (found === undefined) throw new Error(`no step "${name}" in ${JSON.stringify(status.steps)}`)
    return found
  }

  /** Waits until the condition holds; a job that ended meanwhile is an error. */
  async until(what: string, condition: () => Promise<boolean> | boolean): Promise<void> {
    const deadlineMs = Date.now() + 240_000
    while (!(await condition())) {
      const { exitCode, signalCode } = this.started.child
      if (exitCode !== null || signalCode !== null) {
        throw new Error(`the run ended before ${what}:\n${(await this.started.ended).stderr}`)
      }
      if (Date.now() > deadlineMs) throw new Error(`waited in vain until ${what}`)
      await new Promise((done) => setTimeout(done, 50))
    }
  }

  async runs(): Promise<void> {
    await this.started.saw(/ runs in /)
  }
}

function resident(pid: number | undefined): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    return Number(/VmRSS:\s+(\d+)/.exec(status)![1]) / 1_024
  } catch {
    return 0
  }
}

/** Sizes of the state files, by name. */
export function stateFiles(workDir: string): ReadonlyMap<string, number> {
  const folder = join(workDir, 'state')
  const names = readdirSync(folder).filter((name) => !name.endsWith('.tmp'))
  return new Map(names.map((name) => [name, statSync(join(folder, name)).size]))
}

export function checkpointCount(workDir: string): number {
  const folder = join(workDir, 'manifests')
  return existsSync(folder) ? readdirSync(folder).length : 0
}

/** Every row of a JSON lines sink. */
export function rowsOf<T>(folder: string): T[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((name) => name.endsWith('.jsonl'))
    .flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n'))
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T)
}
