import { asStreamError } from '../../engine/base/errors.ts'
import { pinoLogger } from '../../engine/base/pino-logger.ts'
import { runJob } from '../../engine/job/run-job.ts'
import { formatError } from '../error-text.ts'
import { configOf, runOptions } from '../run-options.ts'

/** The process of `runInThreads`: one job, by `runJob()`, with the flags of `millrace run`. */
const [jobPath = '', ...flags] = process.argv.slice(2)
process.exitCode = await main()

async function main(): Promise<number> {
  const set: string[] = []
  const given: { parallelism?: string; workDir?: string } = {}
  for (let at = 0; at < flags.length; at += 2) {
    const [flag, value = ''] = flags.slice(at, at + 2)
    if (flag === '--set') set.push(value)
    if (flag === '--parallelism') given.parallelism = value
    if (flag === '--work-dir') given.workDir = value
  }
  try {
    const options = runOptions(jobPath, { ...given, set }, await configOf({ ...given, set }))
    const { parallelism, workDir, checkpointing, restart } = options
    const summary = await runJob(jobPath, {
      set: options.set,
      logger: pinoLogger('warn'),
      ...(parallelism === undefined ? {} : { parallelism }),
      ...(workDir === undefined ? {} : { workDir }),
      ...(checkpointing === undefined ? {} : { checkpointing }),
      ...(restart === undefined ? {} : { restart }),
    })
    process.stdout.write(`${JSON.stringify(summary)}\n`)
    return 0
  } catch (thrown) {
    const error = asStreamError(thrown)
    process.stderr.write(`${formatError(error.toData(), { color: false, verbose: true })}\n`)
    return error.consequence.exit
  }
}
