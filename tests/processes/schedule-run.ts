import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { INJECTED_CALLS, type Life, type Moment, type Schedule } from './schedule.ts'
import { Running, send, sleep, type EndedRun } from './running.ts'
import { SmallDisk } from './small-disk.ts'

/** Read this slowly by the lives that are to be interrupted, flat out by the last. */
const PER_SECOND = 3_000
const FLAT_OUT = 10_000_000
/** What does not come in so long does not come: a job that cannot write takes no checkpoint. */
const WAIT_MAX_MS = 5_000
const NO_SPACE = /ENOSPC|no space left/i

export interface ScheduleReport {
  readonly folder: string
  readonly out: string
  readonly workDir: string
  /** A line a life: what happened to it and how it ended. */
  readonly history: readonly string[]
  /** What a life said or did that no outer trouble excuses. */
  readonly complaints: readonly string[]
  /** Lives that ended by themselves, with an error. */
  readonly livesThatFailed: number
  readonly livesThatToldOfNoSpace: number
  readonly errnosInjected: number
}

/**
 * Runs a job through the lives of a schedule, each a real `millrace run` with its fault, and the
 * last to its end. Gives the folder to `look`, and removes it.
 */
export async function runSchedule<T>(
  schedule: Schedule,
  records: number,
  look: (report: ScheduleReport) => Promise<T>,
): Promise<T> {
  const world = new World(schedule, records)
  try {
    for (const life of schedule.lives) await world.live(life)
    await world.last()
    return await look(world.report())
  } finally {
    await world.close()
  }
}

class World {
  readonly #schedule: Schedule
  readonly #records: number
  readonly #folder = mkdtempSync(join(tmpdir(), 'millrace-processes-'))
  readonly #disks = new Map<'work' | 'out', SmallDisk>()
  readonly #runs: Running[] = []
  readonly #history: string[] = []
  readonly #complaints: string[] = []
  #livesThatFailed = 0
  #livesThatToldOfNoSpace = 0
  /** An engine before is stopped and has the lock: until a life has run since. */
  #takeOver = false

  constructor(schedule: Schedule, records: number) {
    this.#schedule = schedule
    this.#records = records
    for (const what of ['work', 'out'] as const) {
      const isSmall = schedule.lives.some(
        ({ fault }) => fault.type === 'full' && fault.what === what,
      )
      if (isSmall) this.#disks.set(what, new SmallDisk(join(this.#folder, what)))
      else mkdirSync(join(this.#folder, what))
    }
  }

  async live(life: Life): Promise<void> {
    const { fault } = life
    const errno = fault.type === 'errno'
    const injectedBefore = this.#injected()
    const run = this.#start(
      life.parallelism,
      PER_SECOND,
      errno ? tracing(fault, this.#trace) : [],
      errno,
    )
    await this.#reached(run, fault.moment)
    switch (fault.type) {
      case 'kill':
        run.signal(fault.who, 'SIGKILL')
        // The parent starts the engine again by itself: let it, for a moment, then end both.
        if (fault.who === 'engine') await over(run, fault.thenMs)
        break
      case 'stop':
        run.signal(fault.who, 'SIGSTOP')
        await sleep(fault.forMs)
        run.signal(fault.who, 'SIGCONT')
        await over(run, fault.thenMs)
        break
      case 'orphan': {
        const engine = run.enginePid()
        if (engine === undefined) break
        send(engine, 'SIGSTOP')
        run.signal('parent', 'SIGKILL')
        this.#takeOver = true
        this.#history.push(`p${life.parallelism} ${JSON.stringify(fault)}: left behind`)
        return
      }
      case 'full':
        this.#disks.get(fault.what)!.fill()
        await Promise.race([run.saw(NO_SPACE), sleep(WAIT_MAX_MS)])
        this.#disks.get(fault.what)!.empty()
        await over(run, fault.thenMs)
        break
      case 'errno':
        await until(() => run.isOver || this.#injected() > injectedBefore)
        await over(run, fault.thenMs)
        break
      default:
        fault satisfies never
    }
    const byItself = run.isOver
    const ended = await run.kill()
    this.#note(`p${life.parallelism} ${JSON.stringify(fault)}`, ended, byItself)
  }

  async last(): Promise<void> {
    const { parallelism, killEngineAfterMs } = this.#schedule.last
    const slowly = killEngineAfterMs === undefined ? FLAT_OUT : this.#records
    const run = this.#start(parallelism, slowly, [], false)
    if (killEngineAfterMs !== undefined) {
      await this.#reached(run, { after: 'flow', ms: killEngineAfterMs })
      run.signal('engine', 'SIGKILL')
    }
    const ended = await run.ended
    this.#note(`p${parallelism} last, ${killEngineAfterMs ?? 'no'} kill`, ended, true)
    if (ended.exitCode !== 0) this.#complaints.push(`the last life ended with ${ended.exitCode}`)
  }

  report(): ScheduleReport {
    return {
      folder: this.#folder,
      out: join(this.#folder, 'out'),
      workDir: this.#workDir,
      history: this.#history,
      complaints: this.#complaints,
      livesThatFailed: this.#livesThatFailed,
      livesThatToldOfNoSpace: this.#livesThatToldOfNoSpace,
      errnosInjected: this.#injected(),
    }
  }

  async close(): Promise<void> {
    for (const run of this.#runs) if (!run.isOver) await run.kill()
    for (const disk of this.#disks.values()) disk.unmount()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #reached(run: Running, moment: Moment): Promise<void> {
    const before = this.#lastCheckpoint()
    if (moment.after !== 'start') await run.saw(/ runs in /)
    if (moment.after === 'checkpoint') {
      await until(() => run.isOver || this.#lastCheckpoint() > before)
    }
    await over(run, moment.ms)
  }

  /** Its id; of a life, whatever it was restored from. */
  #lastCheckpoint(): number {
    const folder = join(this.#workDir, 'manifests')
    if (!existsSync(folder)) return 0
    const ids = readdirSync(folder).map((name) => Number(/^(\d+)\.json$/.exec(name)?.[1] ?? 0))
    return Math.max(0, ...ids)
  }

  #injected(): number {
    if (!existsSync(this.#trace)) return 0
    return readFileSync(this.#trace, 'utf8').split('(INJECTED)').length - 1
  }

  get #trace(): string {
    return join(this.#folder, 'trace')
  }

  get #workDir(): string {
    return join(this.#folder, 'work', 'job')
  }

  #start(parallelism: number, perSecond: number, under: readonly string[], once: boolean): Running {
    const run = new Running({
      job: this.#schedule.job,
      cwd: this.#folder,
      workDir: this.#workDir,
      parallelism,
      set: {
        directory: join(this.#folder, 'out', 'table'),
        records: String(this.#records),
        perSecond: String(perSecond),
      },
      under,
      flags: this.#takeOver ? ['--take-over'] : [],
      // Under strace a restart takes seconds: the next life is the restart.
      env: once ? { MILLRACE_RESTART_STRATEGY: 'none' } : {},
    })
    this.#runs.push(run)
    return run
  }

  #note(what: string, ended: EndedRun, byItself: boolean): void {
    if (/ runs in /.test(ended.stderr)) this.#takeOver = false
    const how = byItself ? `by itself with ${ended.exitCode ?? ended.signal}` : 'killed'
    if (byItself && ended.exitCode !== 0) this.#livesThatFailed += 1
    if (NO_SPACE.test(ended.stderr)) this.#livesThatToldOfNoSpace += 1
    const codes = [...ended.stderr.matchAll(/error ([A-Z_]+):/g)].map((match) => match[1])
    this.#history.push(`${what}: ${how} ${codes.join(' ')}`)
    for (const complaint of complaintsOf(ended, byItself)) {
      this.#complaints.push(`${what}: ${complaint}\n${ended.stderr.slice(-3_000)}`)
    }
  }
}

/** What no trouble from outside excuses: a stack, a bug, an end without a word. */
function complaintsOf(ended: EndedRun, byItself: boolean): readonly string[] {
  const found: string[] = []
  if (/^\s+at .+:\d+:\d+\)?$/m.test(ended.stderr)) found.push('it shows a stack')
  if (/error (BUG|ASSERTION_FAILED)/.test(ended.stderr)) found.push('it says that it has a bug')
  if (!byItself || ended.exitCode === 0) return found
  if (![1, 4].includes(ended.exitCode ?? -1)) found.push(`it ended with ${ended.exitCode}`)
  if (!/error [A-Z_]+: \S/.test(ended.stderr)) found.push('it does not say why it ended')
  return found
}

function tracing(
  { call, error, nth }: Extract<Life['fault'], { type: 'errno' }>,
  trace: string,
): string[] {
  const calls = INJECTED_CALLS[call]
  return [
    ...['strace', '-D', '-f', '--seccomp-bpf', '-qq', '-A', '-o', trace],
    ...['-e', `trace=${calls}`, '-e', `inject=${calls}:error=${error}:when=${nth}`],
  ]
}

/** Waits so long, or until the run is over. */
async function over(run: Running, ms: number): Promise<void> {
  await Promise.race([run.ended, sleep(ms)])
}

/** Waits for a condition, though not for ever. */
async function until(condition: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + WAIT_MAX_MS
  while (!condition() && performance.now() < deadlineMs) await sleep(10)
}
