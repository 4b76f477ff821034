import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test as base, vi } from 'vitest'
import { lastLine, Project, type Ended, type Started } from '../millrace.ts'

/**
 * The built command line against real processes: what is promised of a running job.
 * A test waits for conditions and asserts no times, so that it holds on a slow machine too.
 */
export { lastLine, Project, type Ended, type Started }

vi.setConfig({ testTimeout: 400_000 })

/** A test with a project folder of its own; what it started is ended after it. */
export const test = base.extend<{ project: Project }>({
  project: async ({}, use) => {
    const project = new Project()
    await use(project)
    await project.remove()
  },
})

/** How a job of this suite differs from the plain one. */
export interface CountingOptions {
  readonly name?: string
  /** Code of the map step before the exchange; has `record` with `key` and `index`. */
  readonly map?: string
  /** Calls on `env`. */
  readonly env?: string
  /** What follows `keyBy('key')`. */
  readonly keyed?: string
  /** Further imports, declarations and the like. */
  readonly top?: string
}

/** Ten keys, each counted: the files hold for each key 1, 2, … once, whatever happens. */
export function counting(options: CountingOptions = {}): string {
  const { name = 'counting', map = '', env = '', top = '' } = options
  const keyed = options.keyed ?? `.aggregate('count', { n: count() })`
  return `
import * as millrace from 'millrace'
import { fileSink, generatorSource, printSink } from 'millrace/connectors'
const { count, defineJob, int32, parameter, struct, utf8, valueState } = millrace
${top}
const Count = struct({ key: utf8(), n: int32() })
const parameters = {
  records: parameter.integer({ default: 2000 }),
  perSecond: parameter.integer({ default: 0 }),
  out: parameter.text({ default: './out' }),
}
export default defineJob('${name}', parameters, (env, { records, perSecond, out }) => {
  env.checkpointing({ everyMs: 100 })
  env.restart({ strategy: 'fixed-delay', attempts: 20, delayMs: 10 })
  ${env}
  env.fromSource('numbers', generatorSource({
    records,
    ...(perSecond === 0 ? {} : { perSecond }),
    generate: (index) => ({ key: 'k' + (index % 10), index }),
  }))
    .map((record) => {
      ${map}
      return record
    })
    .keyBy('key')
    ${keyed}
    .sinkTo('files', fileSink({ directory: out, schema: Count }))
})
`
}

/** Long enough to be interrupted on the slowest machine; `REST` is the same input, flat out. */
export const RECORDS = 50_000
export const ENDLESS = ['--set', `records=${RECORDS}`, '--set', 'perSecond=400'] as const
export const REST = ['--set', `records=${RECORDS}`] as const

/** Every row of a JSON lines sink. */
export function rows(folder: string): Record<string, unknown>[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((name) => name.endsWith('.jsonl'))
    .flatMap((name) => readFileSync(join(folder, name), 'utf8').trimEnd().split('\n'))
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

/** What `counting` has written is each key's 1 to n, once each. */
export function expectExact(project: Project, records: number, folder = 'out'): void {
  const counts = new Map<unknown, number[]>()
  for (const { key, n } of rows(project.path(folder))) {
    if (!counts.has(key)) counts.set(key, [])
    counts.get(key)!.push(n as number)
  }
  const upTo = Array.from({ length: records / 10 }, (_, index) => index + 1)
  expect([...counts.keys()].sort()).toEqual(Array.from({ length: 10 }, (_, key) => `k${key}`))
  for (const [key, found] of counts) {
    const sorted = found.sort((left, right) => left - right)
    expect({ key, rows: sorted.length }).toEqual({ key, rows: upTo.length })
    expect(sorted.every((n, index) => n === index + 1)).toBe(true)
  }
}

/** Resolves when `condition` holds; fails, naming it, after a long time. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const deadlineMs = Date.now() + 60_000
  while (!condition()) {
    if (Date.now() > deadlineMs) throw new Error(`waited a minute for: ${what}`)
    await new Promise((done) => setTimeout(done, 20))
  }
}

/** Ids of the complete checkpoints in a work folder. */
export function checkpoints(project: Project, workDir = '.millrace/counting'): number[] {
  const folder = project.path(workDir, 'manifests')
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((name) => /^\d+\.json$/.test(name))
    .map((name) => Number.parseInt(name, 10))
    .sort((left, right) => left - right)
}

/** Starts a job and waits until it has completed checkpoints in this life. */
export async function startChecked(
  project: Project,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  workDir = '.millrace/counting',
): Promise<Started> {
  const before = checkpoints(project, workDir).at(-1) ?? 0
  const started = project.start(args, env)
  await started.saw(/ runs in /)
  await until(
    'two checkpoints',
    () =>
      (checkpoints(project, workDir).at(-1) ?? 0) > before + 1 || started.child.exitCode !== null,
  )
  return started
}

/** Process id of the engine that holds a work folder. */
export function enginePid(project: Project, workDir = '.millrace/counting'): number {
  const text = readFileSync(project.path(workDir, 'owner.json'), 'utf8')
  return (JSON.parse(text) as { readonly pid: number }).pid
}

/** False also for a process that is dead and waits to be collected. */
export function isAlive(pid: number): boolean {
  const state = execFileSync('sh', ['-c', `ps -o stat= -p ${pid} || true`], { encoding: 'utf8' })
  return state.trim() !== '' && !state.trim().startsWith('Z')
}

/** Whether a line of the run's outputs holds the code as its error. */
export function expectError(ended: Ended, exitCode: number, code: string): void {
  expect({ exitCode: ended.exitCode, stderr: ended.stderr }).toEqual({
    exitCode,
    stderr: expect.stringContaining(`error ${code}: `) as string,
  })
}
