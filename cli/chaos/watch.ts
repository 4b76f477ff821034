import { fork, type ChildProcess } from 'node:child_process'
import { systemClock } from '../../engine/base/clock.ts'
import { StreamError } from '../../engine/base/errors.ts'
import { formatDuration } from '../duration.ts'

/**
 * A search runs in a process of its own, so that it can be ended whatever the job's code does: a
 * loop without an end in a map lets nothing else run in its thread. The parent loads no job.
 *
 * W1. The search says what it is about to do before it does it, and what it has found so far.
 * W2. It is alive for as long as its event loop turns: each step of a simulation is a turn.
 * W3. A first SIGINT or SIGTERM ends the search after the present schedule, with its report; where
 *     it does not come to that, and at a second signal, the parent ends it and tells the report.
 */
export interface Search {
  /** Aborted when nobody wants more. */
  readonly signal: AbortSignal
  /** W1. `report`: of what was found so far, for people. */
  readonly doing: (phase: Phase, what: string, report?: string) => void
}

/** `judging`: the job runs without a fault, for what is right. */
export type Phase = 'judging' | 'searching'

type FromSearch =
  | {
      readonly type: 'doing'
      readonly phase: Phase
      readonly what: string
      readonly report?: string
    }
  | { readonly type: 'alive' }

/** Nothing was broken, yet not all was tried that was to be; as `timeout` has it. */
export const EXIT_CUT = 124

const SEARCH = 'MILLRACE_CHAOS_SEARCH'
const ALIVE_EVERY_MS = 1_000
const LOOK_EVERY_MS = 250
/** Without a sign of life; a step of a job takes milliseconds. */
const SILENT_MAX_MS = 60_000
/** The same, where time is up or somebody wants an end. */
const SILENT_LATE_MS = 5_000
/** For the run without a fault, beyond the budget, as long as it shows signs of life. */
const LATE_MAX_MS = 60_000

/**
 * Runs this same command once more, in a process that is ended when it stands still, and gives its
 * exit code; 130 and 143 after a signal. Throws CHAOS_UNFIT for a job that does not come to its end
 * without a fault.
 */
export async function watched(
  budgetMs: number,
  command: (search: Search) => Promise<number>,
): Promise<number> {
  if (process.env[SEARCH] === undefined || process.send === undefined) {
    return await new Watch(budgetMs).toItsEnd()
  }
  Reflect.deleteProperty(process.env, SEARCH)
  return await command(searchOf())
}

function searchOf(): Search {
  const over = new AbortController()
  const tell = (news: FromSearch): void => {
    if (process.connected) process.send!(news)
  }
  const live = (): void => {
    tell({ type: 'alive' })
    systemClock.timer(ALIVE_EVERY_MS, live)
  }
  live()
  const end = (): void => {
    over.abort()
  }
  process.on('message', end)
  process.on('disconnect', end)
  process.on('SIGTERM', end)
  // A terminal tells both; the parent passes it on.
  process.on('SIGINT', () => undefined)
  return {
    signal: over.signal,
    doing: (phase, what, report) => {
      tell({ type: 'doing', phase, what, ...(report === undefined ? {} : { report }) })
    },
  }
}

/** Why a search is ended from here. */
type Why = 'stuck' | 'late' | 'asked'

const EXITS = { SIGINT: 130, SIGTERM: 143 } as const

class Watch {
  readonly #budgetMs: number
  readonly #startedMs = systemClock.monotonicMs()
  readonly #child: ChildProcess
  #heardMs = this.#startedMs
  #phase: Phase = 'judging'
  #what = 'the job is loaded'
  #report: string | undefined
  #asked: keyof typeof EXITS | undefined
  /** Why the search was ended from here. */
  #ended: Why | undefined

  constructor(budgetMs: number) {
    this.#budgetMs = budgetMs
    this.#child = fork(process.argv[1]!, process.argv.slice(2), {
      stdio: 'inherit',
      env: { ...process.env, [SEARCH]: '1' },
    })
    this.#child.on('message', (news: FromSearch) => {
      this.#heardMs = systemClock.monotonicMs()
      if (news.type === 'alive') return
      this.#phase = news.phase
      this.#what = news.what
      this.#report = news.report ?? this.#report
    })
  }

  async toItsEnd(): Promise<number> {
    const forget = this.#followSignals()
    this.#look()
    try {
      const { code, signal } = await this.#exit()
      if (this.#ended !== undefined) return this.#told()
      if (this.#asked !== undefined) return EXITS[this.#asked]
      if (code !== null) return code
      throw new StreamError('CHAOS_UNFIT', `the search was killed by ${signal}: ${this.#what}`, {
        hint: 'Out of memory? Give the job a smaller input while it is tried, say by --set.',
      })
    } finally {
      forget()
    }
  }

  #exit(): Promise<{ readonly code: number | null; readonly signal: string | null }> {
    return new Promise((done, fail) => {
      this.#child.on('error', fail)
      this.#child.on('exit', (code, signal) => {
        done({ code, signal })
      })
    })
  }

  #followSignals(): () => void {
    const names = ['SIGINT', 'SIGTERM'] as const
    const follow = names.map((name) => () => {
      if (this.#asked !== undefined) this.#end('asked')
      this.#asked ??= name
      if (this.#child.connected) this.#child.send({ type: 'end' })
      // Nothing has been found yet.
      if (this.#report === undefined && this.#phase === 'judging') this.#end('asked')
    })
    names.forEach((name, index) => process.on(name, follow[index]!))
    return () => {
      names.forEach((name, index) => process.off(name, follow[index]!))
    }
  }

  #look(): void {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const why = this.#overdue()
    if (why !== undefined) this.#end(why)
    else
      systemClock.timer(LOOK_EVERY_MS, () => {
        this.#look()
      })
  }

  #overdue(): Why | undefined {
    const nowMs = systemClock.monotonicMs()
    const silentMs = nowMs - this.#heardMs
    const lateMs = nowMs - this.#startedMs - this.#budgetMs
    if (silentMs > SILENT_MAX_MS) return 'stuck'
    if (silentMs > SILENT_LATE_MS && this.#asked !== undefined) return 'asked'
    if (lateMs <= 0) return undefined
    if (silentMs > SILENT_LATE_MS) return 'stuck'
    return this.#phase === 'judging' && lateMs > LATE_MAX_MS ? 'late' : undefined
  }

  #end(why: Why): void {
    this.#ended ??= why
    this.#child.kill('SIGKILL')
  }

  /** What came of a search that was ended from here. */
  #told(): number {
    if (this.#report !== undefined && this.#report !== '') process.stdout.write(`${this.#report}\n`)
    if (this.#ended === 'asked') return EXITS[this.#asked!]
    const after = formatDuration(systemClock.monotonicMs() - this.#startedMs)
    if (this.#phase === 'judging') {
      const why = this.#ended === 'stuck' ? 'its code does not return' : 'the budget was used up'
      throw new StreamError(
        'CHAOS_UNFIT',
        `the job did not come to its end without a fault: ${why}, after ${after}`,
        {
          hint: 'Look for a loop without an end in its functions; or give it a smaller input, or a longer --budget.',
        },
      )
    }
    process.stdout.write(
      `\nthen came ${this.#what}\n  I11 the job did not come to its end: its code does not return, ended after ${after}\n`,
    )
    return 1
  }
}
