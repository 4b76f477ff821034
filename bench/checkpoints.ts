/**
 * Checkpoints under load: a saturated source, and integer keys that nearly all change between two
 * barriers. Prints when each checkpoint was triggered, how long it took, and how many records went
 * through the counting step while one was under way and while none was.
 *
 * node bench/run.mjs checkpoints [--events N] [--keys K] [--every MS] [--parallelism P] [--json]
 *
 * The oracle: the counts of a key are 1, 2, 3, …, so the sum over all rows is that of n(n+1)/2 over
 * the keys. Where others use the machine, look at CPU seconds: `tookCpuSeconds` over the cores is
 * what a checkpoint takes on cores of its own, since a saturated job uses them all.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { runJob } from 'millrace/testing'
import type { JobLife } from '../engine/job/job-life.ts'
import { keyOf } from './jobs/records.ts'
import { readTally } from './tally-sink.ts'

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '40000000' },
    keys: { type: 'string', default: '1000000' },
    every: { type: 'string', default: '10000' },
    parallelism: { type: 'string', default: '2' },
    json: { type: 'boolean', default: false },
  },
})
const events = Number(values.events.replaceAll('_', ''))
const keys = Number(values.keys.replaceAll('_', ''))
const everyMs = Number(values.every)
const parallelism = Number(values.parallelism)
const MODULUS = 2 ** 48
const SAMPLE_MS = 20

interface Checkpoint {
  readonly triggeredMs: number
  readonly completedMs: number
}

interface Sample {
  readonly atMs: number
  readonly records: number
  readonly cpuSeconds: number
}

type LifeView = Pick<JobLife, 'steps' | 'lastCheckpoint'>

/** What a run shows from outside; times from the start of the records. */
class Watch {
  readonly checkpoints: Checkpoint[] = []
  readonly samples: Sample[] = []
  /** What the process had used, at each look. */
  readonly used: { readonly atMs: number; readonly cpuSeconds: number }[] = []
  readonly #life: LifeView
  readonly #cpu = process.cpuUsage()
  readonly #startedMs = Date.now()
  readonly #timer: NodeJS.Timeout

  constructor(life: LifeView) {
    this.#life = life
    this.#timer = setInterval(() => {
      this.#look()
    }, SAMPLE_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#look()
  }

  #look(): void {
    const atMs = Date.now() - this.#startedMs
    const { user, system } = process.cpuUsage(this.#cpu)
    const cpuSeconds = (user + system) / 1e6
    this.used.push({ atMs, cpuSeconds })
    const count = this.#life.steps().at(-1)!
    // The counters come from the workers every now and then: when they have moved is a sample.
    if (count.recordsIn !== this.samples.at(-1)?.records) {
      this.samples.push({ atMs, records: count.recordsIn, cpuSeconds })
    }
    const last = this.#life.lastCheckpoint
    if (last === undefined || last.count === this.checkpoints.length) return
    const completedMs = last.completedAtMs - this.#startedMs
    this.checkpoints.push({ completedMs, triggeredMs: completedMs - last.durationMs })
  }

  cpuSecondsAt(ms: number): number {
    return this.used.find(({ atMs }) => atMs >= ms)?.cpuSeconds ?? this.used.at(-1)!.cpuSeconds
  }
}

/** Records a CPU second between samples that all lie within, or all outside of, a checkpoint. */
function rates({ checkpoints, samples }: Watch): {
  readonly during: number
  readonly else: number
} {
  const [within, outside] = [new Rate(), new Rate()]
  const steadyMs = (checkpoints[0]?.triggeredMs ?? Infinity) / 2
  for (let index = 1; index < samples.length; index += 1) {
    const [from, to] = [samples[index - 1]!, samples[index]!]
    // In the first half of the first interval the keys are new and the code is cold.
    if (from.atMs < steadyMs) continue
    const isWithin = checkpoints.some(
      (one) => one.triggeredMs <= from.atMs && to.atMs <= one.completedMs,
    )
    const touches = checkpoints.some(
      (one) => one.triggeredMs < to.atMs && from.atMs < one.completedMs,
    )
    if (isWithin) within.add(from, to)
    else if (!touches) outside.add(from, to)
  }
  return { during: within.perCpuSecond, else: outside.perCpuSecond }
}

class Rate {
  #records = 0
  #cpuSeconds = 0

  add(from: Sample, to: Sample): void {
    this.#records += to.records - from.records
    this.#cpuSeconds += to.cpuSeconds - from.cpuSeconds
  }

  get perCpuSecond(): number {
    return this.#cpuSeconds === 0 ? 0 : Math.round(this.#records / this.#cpuSeconds)
  }
}

function expectedSum(): number {
  const counts = new Float64Array(keys)
  for (let index = 0; index < events; index += 1) counts[keyOf(index, keys)]! += 1
  let sum = 0
  for (const count of counts) sum = (sum + (count * (count + 1)) / 2) % MODULUS
  return sum
}

const expected = expectedSum()
const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
try {
  const tally = join(folder, 'tally.json')
  let watch: Watch | undefined
  await runJob(new URL('../../bench/jobs/keyed.ts', import.meta.url), {
    set: { keys: String(keys), events: String(events), tally },
    parallelism,
    workDir: join(folder, 'work'),
    checkpointing: { everyMs },
    onStarted: (life) => {
      watch = new Watch(life as unknown as LifeView)
    },
  })
  watch!.stop()
  const { checkpoints, used } = watch!
  const { during, else: otherwise } = rates(watch!)
  const { rows, sum } = readTally(tally)!
  const line = {
    bench: 'checkpoints',
    keys,
    events,
    everyMs,
    parallelism,
    triggeredMs: checkpoints.map(({ triggeredMs }) => Math.round(triggeredMs)),
    tookMs: checkpoints.map((one) => Math.round(one.completedMs - one.triggeredMs)),
    tookCpuSeconds: checkpoints.map((one) =>
      Number(
        (watch!.cpuSecondsAt(one.completedMs) - watch!.cpuSecondsAt(one.triggeredMs)).toFixed(2),
      ),
    ),
    perCpuSecondDuring: during,
    perCpuSecondElse: otherwise,
    dip: otherwise === 0 || during === 0 ? null : Number((1 - during / otherwise).toFixed(2)),
    cpuSeconds: Number(used.at(-1)!.cpuSeconds.toFixed(2)),
    maxRssMb: Math.round(process.resourceUsage().maxRSS / 1_024),
    correct: rows === events && sum === expected,
  }
  if (values.json) console.log(JSON.stringify(line))
  else for (const [name, value] of Object.entries(line)) console.log(name.padEnd(20), String(value))
  if (!line.correct) process.exitCode = 1
} finally {
  await rm(folder, { recursive: true, force: true })
}
