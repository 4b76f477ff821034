/**
 * Runs jobs by `runJob` in this one process, again and again, and prints after every so many what
 * the process holds. Started with --expose-gc, in a folder of its own.
 */
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { runJob } from 'millrace/testing'

export interface Sample {
  readonly runs: number
  readonly descriptors: number
  readonly threads: number
  readonly listeners: number
  readonly heapKb: number
}

const [runs = 10, every = 5] = process.argv.slice(2).map(Number)

/** One in ten fails, one in ten is stopped with a savepoint, the others come to their end. */
async function oneRun(run: number): Promise<void> {
  const kind = run % 10 === 3 ? 'fails' : run % 10 === 7 ? 'stopped' : 'ends'
  const folder = `runs/${run}`
  const ended = runJob('./job.ts', {
    parallelism: 1 + (run % 3),
    workDir: join(folder, 'work'),
    set: {
      out: join(folder, 'out'),
      fails: String(kind === 'fails'),
      records: kind === 'stopped' ? '1000000' : '200',
      perSecond: kind === 'stopped' ? '1000' : '100000',
    },
    ...(kind !== 'stopped'
      ? {}
      : {
          onStarted: (job) =>
            void job.requestStop({ drain: false, savepoint: true, target: undefined }),
        }),
  })
  const wanted = { fails: 'USER_FUNCTION_FAILED', stopped: 'stopped', ends: 'finished' }[kind]
  const found = await ended.then(
    ({ status }) => status as string,
    (error: unknown) => String((error as { readonly code?: unknown }).code),
  )
  if (found !== wanted) throw new Error(`run ${run}: ${found} instead of ${wanted}`)
  rmSync(folder, { recursive: true })
}

async function sampleAt(count: number): Promise<Sample> {
  // Twice, with a turn between: what a finaliser frees is only then free.
  for (let round = 0; round < 2; round += 1) {
    await new Promise((done) => setTimeout(done, 50))
    globalThis.gc!()
  }
  const names = process.eventNames()
  return {
    runs: count,
    descriptors: readdirSync('/proc/self/fd').length,
    threads: readdirSync('/proc/self/task').length,
    listeners: names.reduce((sum, name) => sum + process.listenerCount(name), 0),
    heapKb: Math.round(process.memoryUsage().heapUsed / 1_024),
  }
}

for (let run = 1; run <= runs; run += 1) {
  await oneRun(run)
  if (run % every === 0) process.stdout.write(`${JSON.stringify(await sampleAt(run))}\n`)
}
