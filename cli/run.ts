import { basename, join } from 'node:path'
import type { FromEngine, RunOptions } from '../engine/job/protocol.ts'
import type { RunResult, StopSignal } from '../engine/job/supervisor.ts'
import type { RunFlags } from './run-options.ts'
import { systemClock } from '../engine/base/clock.ts'
import { asStreamError, ERRORS } from '../engine/base/errors.ts'
import { systemFiles } from '../engine/base/files.ts'
import { systemRandom } from '../engine/base/random.ts'
import { makeBundleFolder } from '../engine/job/bundle-folder.ts'
import { Supervisor } from '../engine/job/supervisor.ts'
import { stepReport } from '../engine/job/watermark-lag.ts'
import { builtRoot } from './own-package.ts'
import { configOf, runOptions } from './run-options.ts'
import { logFailure, RunLog, type RunReporter } from './run-log.ts'
import { RunScreen } from './run-screen.ts'
import { hasColor, terminalSize } from './terminal.ts'

/**
 * `millrace run`: a small parent of the engine process. It loads nothing of the engine, so that
 * whatever happens there (out of memory, a native crash) leaves it alive to start it again.
 */
export async function runCommand(jobPath: string, flags: RunFlags): Promise<number> {
  const config = await configOf(flags)
  try {
    const options = runOptions(jobPath, flags, config)
    const doors = { files: systemFiles, random: systemRandom }
    const bundleDir = await makeBundleFolder(doors, options.workRoot)
    return await runJobProcess({ ...options, bundleDir }, flags)
  } catch (thrown) {
    // The --config file may be what asks for a log.
    if (config.settings.get('logFormat')?.value !== 'json') throw thrown
    const error = asStreamError(thrown)
    logFailure(error.toData())
    return error.consequence.exit
  }
}

export interface RunHooks {
  readonly onSupervisor?: (supervisor: Supervisor) => void
  readonly onMessage?: (message: FromEngine) => void
}

/** Runs the job to its end and gives the exit code. */
export async function runJobProcess(
  options: RunOptions,
  flags: { readonly json?: boolean; readonly verbose?: boolean },
  hooks: RunHooks = {},
): Promise<number> {
  const terminal = flags.json === true ? undefined : terminalSize(process.stderr, process.env)
  const startMs = systemClock.monotonicMs()
  const isLog = options.logs === 'json'
  const screen: RunReporter = isLog
    ? new RunLog({
        write: (line) => process.stderr.write(line),
        level: options.logLevel,
        clock: systemClock,
      })
    : new RunScreen({
        write: (text) => process.stderr.write(text),
        room: terminal && (() => terminalSize(process.stderr, process.env) ?? terminal),
        color: hasColor(process.stderr, process.env),
        verbose: flags.verbose ?? false,
        clock: systemClock,
      })
  const writers = {
    stdout: (bytes: Uint8Array) => void process.stdout.write(bytes),
    stderr: (bytes: Uint8Array) => void process.stderr.write(bytes),
  }
  let job: string | undefined
  const supervisor = new Supervisor({
    enginePath: join(builtRoot(), 'engine', 'job', 'engine-process.js'),
    options,
    execArgv: ENGINE_FLAGS,
    // On a terminal what the job prints must not tear the table. A log has its errors as objects.
    output: isLog ? 'pipe-errors' : terminal === undefined ? 'inherit' : 'pipe',
    onOutput: (chunk, stream) => screen.pass(chunk, writers[stream]),
    onMessage: (message) => {
      if (message.type === 'started') job = message.job
      screen.onMessage(message)
      hooks.onMessage?.(message)
    },
    onRestart: ({ afterMs, attempt }, error) => screen.restarting(error, afterMs, attempt),
  })
  hooks.onSupervisor?.(supervisor)

  screen.begin(basename(options.jobPath))
  const forget = forwardSignals(supervisor, screen)
  try {
    const result = await supervisor.run()
    const durationMs = Math.round(systemClock.monotonicMs() - startMs)
    report(result, durationMs, screen)
    if (flags.json === true) {
      const nowMs = systemClock.nowMs()
      const steps = screen.steps.map((step) => stepReport(step, nowMs))
      const run = { job, jobPath: options.jobPath, durationMs }
      process.stdout.write(`${JSON.stringify({ ...resultData(result, run), steps })}\n`)
    }
    return exitCode(result)
  } finally {
    forget()
    screen.close()
  }
}

/**
 * Frames of the user's own files in stacks; and a heap that is collected when it has grown by half,
 * not when it is four times what lives: a state cache of 32 MiB took 1,000 MiB without.
 */
const ENGINE_FLAGS = ['--enable-source-maps', '--heap-growing-percent=50']

function forwardSignals(supervisor: Supervisor, screen: RunReporter): () => void {
  const handlers = (['SIGTERM', 'SIGINT'] as const).map((signal: StopSignal) => {
    const handler = (): void => {
      const asked = supervisor.signal(signal)
      if (asked === 'stop') {
        screen.line(`${signal}: stopping after a last checkpoint; once more stops at once`)
      }
      if (asked === 'kill') screen.line(`${signal}: stopping at once`)
    }
    process.on(signal, handler)
    return () => process.off(signal, handler)
  })
  return () => {
    for (const off of handlers) off()
  }
}

function report(result: RunResult, durationMs: number, screen: RunReporter): void {
  switch (result.type) {
    case 'finished':
      screen.finished({ ...result.summary, durationMs }, result.restarts)
      break
    case 'failed':
      screen.failed(result.error)
      break
    case 'killed':
      // Without a signal it was `dev`, which says itself what happens.
      if (result.signal === undefined) break
      screen.line('stopped at once; the next start resumes from the latest complete checkpoint')
      break
    default:
      result satisfies never
  }
}

/** api: 0 done, or the error's own, or 128 + the signal. */
export function exitCode(result: RunResult): number {
  if (result.type === 'failed') return ERRORS[result.error.code].exit
  if (result.signal === 'SIGTERM') return 143
  return result.signal === 'SIGINT' || result.type === 'killed' ? 130 : 0
}

/** The object that --json ends with. */
function resultData(
  result: RunResult,
  run: {
    readonly job: string | undefined
    readonly jobPath: string
    readonly durationMs: number
  },
): object {
  const { restarts } = result
  switch (result.type) {
    case 'finished':
      return { ...result.summary, restarts, durationMs: run.durationMs }
    case 'failed': {
      const { code, message, hint, place } = result.error
      return { status: 'failed', ...run, restarts, error: { code, message, hint, place } }
    }
    case 'killed':
      return { status: 'killed', ...run, restarts }
    default:
      return result satisfies never
  }
}
