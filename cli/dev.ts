import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { FromEngine, RunOptions } from '../engine/job/protocol.ts'
import type { Supervisor } from '../engine/job/supervisor.ts'
import type { RunFlags } from './run-options.ts'
import { systemClock } from '../engine/base/clock.ts'
import { errnoOf, systemFiles } from '../engine/base/files.ts'
import { systemRandom } from '../engine/base/random.ts'
import { removeTree } from '../engine/checkpoint/folders.ts'
import { configOf, runOptions } from './run-options.ts'
import { runJobProcess } from './run.ts'

/**
 * `millrace dev`: runs the job with temporary state and printing sinks, and starts it anew when one
 * of its files is saved. Each start has a folder of its own: what was state may not fit any more.
 */
export async function devCommand(jobPath: string, flags: RunFlags): Promise<number> {
  const root = join(tmpdir(), `millrace-dev-${systemRandom.hex(8)}`)
  const options: RunOptions = {
    ...runOptions(jobPath, flags, await configOf(flags)),
    dev: true,
    restart: { strategy: 'none' },
  }
  // Between two runs nobody else has the signals.
  let interrupt: (signal: NodeJS.Signals) => void = () => undefined
  const interrupted = new Promise<number>((done) => {
    interrupt = (signal) => done(signal === 'SIGTERM' ? EXIT_TERMINATED : EXIT_INTERRUPTED)
  })
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt)

  try {
    const watched = new WatchedFiles([options.jobPath])
    for (let life = 0; ; life += 1) {
      const ended = await runUntilChange(
        { ...options, workDir: join(root, `${life}`) },
        flags,
        watched,
      )
      if (typeof ended === 'number') return ended
      if (ended === 'changed') continue
      process.stderr.write('waiting for a change; Ctrl-C ends\n')
      const next = await Promise.race([watched.change(), interrupted])
      if (typeof next === 'number') return next
    }
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
    await removeTree(systemFiles, root)
  }
}

const EXIT_INTERRUPTED = 130
const EXIT_TERMINATED = 143
const POLL_MS = 300

/** A number: the exit code of a run that a signal has ended. */
async function runUntilChange(
  options: RunOptions,
  flags: RunFlags,
  watched: WatchedFiles,
): Promise<'changed' | 'ended' | number> {
  let supervisor: Supervisor | undefined
  const state = { isOver: false }
  const running = runJobProcess(options, flags, {
    onSupervisor: (started) => {
      supervisor = started
    },
    onMessage: (message: FromEngine) => {
      if (message.type === 'bundled') watched.set([options.jobPath, ...message.bundle.inputs])
    },
  }).finally(() => {
    state.isOver = true
  })
  const changed = watched.change(() => state.isOver)
  if (await Promise.race([changed, running.then(() => false)])) {
    process.stderr.write('changed: starting anew\n')
    supervisor?.kill()
    await running
    return 'changed'
  }
  const exitCode = await running
  return exitCode === EXIT_INTERRUPTED || exitCode === EXIT_TERMINATED ? exitCode : 'ended'
}

/** Looks at the files again and again: few files, and no way of watching works everywhere. */
class WatchedFiles {
  #paths: readonly string[]
  #seen = new Map<string, string>()

  constructor(paths: readonly string[]) {
    this.#paths = paths
  }

  set(paths: readonly string[]): void {
    this.#paths = [...new Set(paths.map((path) => resolve(path)))]
  }

  /** True at the first change since the last call; false once `isOver` says so. */
  async change(isOver: () => boolean = () => false): Promise<boolean> {
    while (!isOver()) {
      if (await this.#look()) return true
      await systemClock.sleep(POLL_MS)
    }
    return false
  }

  async #look(): Promise<boolean> {
    let isChanged = false
    for (const path of this.#paths) {
      const now = await fingerprint(path)
      const before = this.#seen.get(path)
      this.#seen.set(path, now)
      if (before !== undefined && before !== now) isChanged = true
    }
    return isChanged
  }
}

async function fingerprint(path: string): Promise<string> {
  try {
    const { inode, bytes, modifiedMs } = await systemFiles.stat(path)
    return `${inode} ${bytes} ${modifiedMs}`
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
    return 'gone'
  }
}
