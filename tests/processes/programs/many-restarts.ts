/**
 * Starts a job on the same work folder again and again, in this one process: by its restart
 * strategy after failures, and by `runJob` after stops. Prints how many lives there were.
 */
import { runJob, type RunJobOptions } from 'millrace/testing'

const [failures = 5, stops = 5, records = 1_000] = process.argv.slice(2).map(Number)

let lives = 0

function run(options: RunJobOptions): Promise<{ readonly status: string }> {
  const { set } = options
  return runJob('./job.ts', {
    workDir: './work',
    ...options,
    set: { records: String(records), ...set },
    onStarted: (job) => {
      lives += 1
      options.onStarted?.(job)
    },
  })
}

const stop = { drain: false, savepoint: false, target: undefined }

// Every hundredth record fails, another one each time; whoever starts it last stops it.
await run({
  parallelism: 2,
  set: { failing: '0.01' },
  onStarted: (job) => {
    if (lives > failures) void job.requestStop(stop).catch(() => undefined)
  },
})
const restarts = lives - 1
for (let number = 0; number < stops; number += 1) {
  const { status } = await run({
    parallelism: 1 + (number % 3),
    onStarted: (job) => setTimeout(() => void job.requestStop(stop), (number * 7) % 60),
  })
  if (status !== 'stopped') throw new Error(`start ${number}: ${status}`)
}
process.stdout.write(`${JSON.stringify({ restarts, starts: lives - restarts })}\n`)
