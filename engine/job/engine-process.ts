/** The engine process: what `millrace run` starts, one life of a job a process. */
import type { Timer } from '../base/clock.ts'
import type { Doors } from '../base/doors.ts'
import type { Logger } from '../base/logger.ts'
import type { JobLife } from './job-life.ts'
import type { BundleReference, RunOptions, RunSummary, ToEngine } from './protocol.ts'
import { deferred } from '../base/deferred.ts'
import { systemDoors } from '../base/doors.ts'
import { asStreamError, StreamError } from '../base/errors.ts'
import { exists } from '../base/files.ts'
import { callbackLogger, pinoLogger } from '../base/pino-logger.ts'
import { brokenLifeIfSet } from '../worker/faults-if-set.ts'
import { spawnThreads } from '../worker/worker-threads.ts'
import { bundleJob } from './bundle.ts'
import { startControlServer } from './control-server.ts'
import { beginLife } from './job-life.ts'
import { planBundle } from './job-plan.ts'
import { connectToParent } from './parent-link.ts'

process.setSourceMapsEnabled(true)
const link = connectToParent()
const running = deferred<JobLife>()
const outputClosed = deferred<never>()
process.stdout.on('error', (cause: Error) => {
  outputClosed.reject(
    new StreamError('OUTPUT_CLOSED', `standard output takes no more: ${cause.message}`, {
      hint: 'Whoever read it has gone. The same command goes on where the job was.',
    }),
  )
})
process.stderr.on('error', () => undefined)
process.on('uncaughtException', onUncaught)
link.onMessage((message) => {
  if (message.type === 'options') void run(message.options)
  // A stop that comes before the records flow waits until they do.
  else void running.promise.then((life) => stop(life, message))
})

async function run(options: RunOptions): Promise<void> {
  try {
    const summary = await Promise.race([live(options), outputClosed.promise])
    await link.send({ type: 'finished', summary })
    process.exit(0)
  } catch (thrown) {
    const error = asStreamError(thrown)
    await endWith(error, error.consequence.then !== 'fail')
  }
}

async function endWith(error: StreamError, restartable: boolean): Promise<never> {
  await link.send({ type: 'failed', error: error.toData(), restartable })
  process.exit(error.consequence.exit)
}

/** Of the job's own code, mostly. What is half done then is for the next life to find. */
function onUncaught(thrown: unknown): void {
  void endWith(asStreamError(thrown, 'WORKER_DIED'), true)
}

/** Whose lines the log has; null before the job is planned. */
interface Identity {
  job: string | null
}

async function doorsOf(options: RunOptions, identity: Identity): Promise<Doors> {
  const doors = systemDoors(loggerOf(options, identity))
  return (await brokenLifeIfSet(doors))?.doors ?? doors
}

async function live(options: RunOptions): Promise<RunSummary> {
  const identity: Identity = { job: null }
  const doors = await doorsOf(options, identity)
  const bundle = await bundleOf(options, doors)
  await link.send({ type: 'bundled', bundle })
  const plan = await planBundle(bundle.path, options, doors.files)
  identity.job = plan.job
  await link.send({
    type: 'planned',
    job: plan.job,
    settings: { restart: plan.settings.restart },
  })
  const begun = await beginLife({
    doors,
    plan,
    options,
    spawn: spawnThreads,
    hasSupervisor: true,
  })
  if (begun.type === 'already-finished') return begun.summary
  const { life } = begun
  const control = await startControlServer(life.workDir, life)
  await life.start()
  const { restoredFrom } = life
  await link.send({
    type: 'started',
    job: plan.job,
    workDir: life.workDir,
    parallelism: plan.parallelism,
    ...(restoredFrom === undefined ? {} : { restoredFrom }),
  })
  running.resolve(life)
  const stopReporting = reportProgress(life, doors, options.progressMs)
  try {
    return await life.finished()
  } finally {
    stopReporting()
    await control.close()
  }
}

/** A restart runs the same code, unless somebody has cleared its folder away. */
async function bundleOf(options: RunOptions, { files, logger }: Doors): Promise<BundleReference> {
  const { bundle, jobPath, bundleDir, dev } = options
  if (bundle !== undefined) {
    if (await exists(files, bundle.path)) return bundle
    logger.warn({ path: bundle.path }, 'the bundle of the job is gone: the script is bundled again')
  }
  return bundleJob(jobPath, bundleDir, { dev })
}

/** Reports at once, every so often, and once more when it is told to stop. */
function reportProgress(life: JobLife, doors: Doors, everyMs: number): () => void {
  if (everyMs === 0) return () => undefined
  let timer: Timer | undefined
  const report = (): void => {
    const lastCheckpoint = life.lastCheckpoint
    const steps = life.steps()
    void link.send({
      type: 'progress',
      steps,
      ...(lastCheckpoint === undefined ? {} : { lastCheckpoint }),
    })
  }
  const again = (): void => {
    timer = doors.clock.timer(everyMs, () => {
      report()
      again()
    })
  }
  report()
  again()
  return () => {
    timer?.cancel()
    report()
  }
}

async function stop(life: JobLife, message: Exclude<ToEngine, { type: 'options' }>): Promise<void> {
  const isStop = message.type === 'stop'
  try {
    await life.requestStop({
      drain: isStop && message.drain === true,
      savepoint: isStop && message.mode === 'savepoint',
      target: isStop ? message.target : undefined,
    })
  } catch {
    // What kept the job from stopping is the life's own failure, and told as that.
  }
}

function loggerOf(options: RunOptions, identity: Identity): Logger {
  if (options.logs === 'json') {
    return pinoLogger(options.logLevel, { fields: () => ({ job: identity.job, code: null }) })
  }
  return callbackLogger(options.logLevel, (level, fields, message) => {
    void link.send({ type: 'log', level, fields, message })
  })
}
