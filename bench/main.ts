// npm run bench -- chain|keyed|windows [--events N] [--parallelism P] [--by field|function]
// [--runs R] [--json]
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { runJob } from 'millrace/testing'
import { click, keyOf, timeOf } from './jobs/records.ts'
import { readTally, type Tally } from './tally-sink.ts'

interface Bench {
  readonly job: string
  readonly set: Readonly<Record<string, string>>
  /** The right answer, counted without the engine. */
  readonly expected: () => Tally
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    events: { type: 'string', default: '10000000' },
    parallelism: { type: 'string', default: '2' },
    keys: { type: 'string', default: '10000' },
    by: { type: 'string', default: 'field' },
    runs: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
})

const events = Number(values.events.replaceAll('_', ''))
const keys = Number(values.keys.replaceAll('_', ''))
const parallelism = Number(values.parallelism)
const MODULUS = 2 ** 48

const benches: Readonly<Record<string, Bench>> = {
  chain: { job: 'chain.ts', set: {}, expected: chainAnswer },
  keyed: { job: 'keyed.ts', set: { keys: String(keys), by: values.by }, expected: keyedAnswer },
  windows: { job: 'windows.ts', set: { keys: String(keys) }, expected: windowsAnswer },
}

const name = positionals[0] ?? ''
const bench = benches[name]
if (bench === undefined) {
  console.error(
    `usage: npm run bench -- ${Object.keys(benches).join('|')} [--events N] [--parallelism P] [--json]`,
  )
  process.exit(2)
}

const expected = bench.expected()
for (let run = 0; run < Number(values.runs); run += 1) await once(bench)

async function once({ job, set }: Bench): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  try {
    const tally = join(folder, 'tally.json')
    let startedMs = 0
    let cpu = process.cpuUsage()
    await runJob(new URL(`../../bench/jobs/${job}`, import.meta.url), {
      set: { ...set, events: String(events), tally },
      parallelism,
      workDir: join(folder, 'work'),
      onStarted: () => {
        startedMs = performance.now()
        cpu = process.cpuUsage()
      },
    })
    const seconds = (performance.now() - startedMs) / 1_000
    const used = process.cpuUsage(cpu)
    report(seconds, (used.user + used.system) / 1e6, readTally(tally)!)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function report(seconds: number, cpuSeconds: number, { rows, sum }: Tally): void {
  const answer = { rows, sum }
  const line = {
    bench: name,
    ...(name === 'keyed' ? { keys, by: values.by } : {}),
    events,
    parallelism,
    seconds: Number(seconds.toFixed(3)),
    eventsPerSecond: Math.round(events / seconds),
    cpuSeconds: Number(cpuSeconds.toFixed(3)),
    maxRssMb: Math.round(process.resourceUsage().maxRSS / 1_024),
    answer,
    correct: rows === expected.rows && sum === expected.sum,
  }
  if (values.json) console.log(JSON.stringify(line))
  else {
    const million = (line.eventsPerSecond / 1e6).toFixed(2)
    console.log(
      `${name}: ${million} M events/s, ${line.seconds} s, ${line.cpuSeconds} CPU-s, ${line.maxRssMb} MiB, ${line.correct ? 'correct' : 'WRONG'}`,
    )
  }
  if (!line.correct) process.exitCode = 1
}

function chainAnswer(): Tally {
  let rows = 0
  let sum = 0
  for (let index = 0; index < events; index += 1) {
    const row = click(index)
    const total = row.quantity * row.cents
    if (total % 3 === 0) continue
    rows += 1
    sum = (sum + total) % MODULUS
  }
  return { rows, sum }
}

/**
 * The counts of a key are 1, 2, 3, …, so the sum over all rows is that of n(n+1)/2 over the keys.
 */
function keyedAnswer(): Tally {
  const counts = new Float64Array(keys)
  for (let index = 0; index < events; index += 1) {
    const key = keyOf(index, keys)
    counts[key] = counts[key]! + 1
  }
  let sum = 0
  for (const count of counts) sum = (sum + (count * (count + 1)) / 2) % MODULUS
  return { rows: events, sum }
}

/** A row for each key of each second that has one; the counts of all of them are the events. */
function windowsAnswer(): Tally {
  const seen = new Set<number>()
  for (let index = 0; index < events; index += 1) {
    seen.add(Math.floor(timeOf(index) / 1_000) * keys + keyOf(index, keys))
  }
  return { rows: seen.size, sum: events }
}
