// What a schedule of faults costs in simulation, over the shapes of jobs of `tests/chaos/`: run and
// judged as `millrace chaos run` does it, in processor time, so that neighbours do not count.
//
//     node bench/chaos-schedules.mjs [--schedules 20] [--seed 1] [--shapes chain,sinks] [--close] [--json]
//
// The oracle: no invariant is broken. The hash covers the steps of all runs: a change that is to
// make them cheaper leaves it as it is. `--close` looks closely at each, as a campaign does at one
// of fifty.
import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { build } from 'esbuild'

const PARALLELISM = 2
/** Of the first shape, not measured: code that has not run yet is slow. */
const WARM_UP = 20

const { values } = parseArgs({
  options: {
    schedules: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    shapes: { type: 'string' },
    close: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const count = Number(values.schedules)
const firstSeed = Number(values.seed)
const depth = values.close ? 'full' : 'quick'

const chaos = await bundled()
const kinds = Object.keys(chaos.faultKinds)
const wanted = values.shapes?.split(',')
const shapes = chaos.chaosShapes.filter(({ name }) => wanted?.includes(name) ?? true)
if (shapes.length === 0) throw new Error(`there is no shape "${values.shapes}"`)

const total = { goldenMs: 0, userMs: 0, systemMs: 0, schedules: 0, lives: 0, steps: 0, broken: 0 }
const hashes = []
await warmedUp(shapes[0])
for (const shape of shapes) report(shape.name, await measured(shape))
report('all', { ...total, hash: chaos.sha256Hex(hashes.join('\n')) })
if (total.broken > 0) process.exitCode = 1

async function measured(shape) {
  const subject = chaos.subjectOf(shape)
  let cpu = process.cpuUsage()
  const golden = await chaos.goldenRun(subject, PARALLELISM)
  const goldenMs = process.cpuUsage(cpu).user / 1_000
  const found = {
    goldenMs,
    userMs: 0,
    systemMs: 0,
    schedules: count,
    lives: 0,
    steps: 0,
    broken: 0,
  }
  const runs = []
  for (const schedule of schedulesOf(golden, count)) {
    cpu = process.cpuUsage()
    const { run, violations } = await chaos.examine(subject, golden, schedule, { depth })
    chaos.rareStatesOf(run)
    const used = process.cpuUsage(cpu)
    found.userMs += used.user / 1_000
    found.systemMs += used.system / 1_000
    found.lives += run.lives.length
    for (const { steps } of run.lives) found.steps += steps
    if (violations.length > 0) {
      found.broken += 1
      console.error(`${shape.name}, seed ${schedule.seed}: ${JSON.stringify(violations[0])}`)
    }
    runs.push(run.hash)
  }
  for (const [name, value] of Object.entries(found)) total[name] += value
  hashes.push(...runs)
  return { ...found, hash: chaos.sha256Hex(runs.join('\n')) }
}

function schedulesOf(golden, length) {
  const options = { golden, kinds, parallelismMax: 4, faultsMax: 3 }
  return Array.from({ length }, (_, index) => chaos.randomSchedule(firstSeed + index, options))
}

async function warmedUp(shape) {
  const subject = chaos.subjectOf(shape)
  const golden = await chaos.goldenRun(subject, PARALLELISM)
  for (const schedule of schedulesOf(golden, WARM_UP)) {
    await chaos.examine(subject, golden, schedule, { depth: 'quick' })
  }
}

function report(shape, { goldenMs, userMs, systemMs, schedules, lives, steps, broken, hash }) {
  const each = (ms) => Number((ms / schedules).toFixed(1))
  const line = {
    shape,
    schedules,
    lives,
    steps,
    cpuMsEach: each(userMs),
    systemMsEach: each(systemMs),
    goldenMs: Math.round(goldenMs),
    broken,
    hash,
  }
  if (values.json) console.log(JSON.stringify(line))
  else {
    console.log(
      `${shape.padEnd(14)} ${String(line.cpuMsEach).padStart(6)} ms CPU a schedule ` +
        `(system ${line.systemMsEach}), ${(lives / schedules).toFixed(1)} lives, ` +
        `${Math.round(steps / schedules)} steps; golden ${line.goldenMs} ms; ` +
        `${broken} broken; ${hash.slice(0, 16)}`,
    )
  }
}

/** The sources, as one module: `millrace` in the jobs is the engine that runs them. */
async function bundled() {
  const root = join(dirname(fileURLToPath(import.meta.url)), '..')
  // Inside the project, so that packages are found.
  const outfile = join(root, 'out', 'bench', 'chaos-schedules.mjs')
  await mkdir(dirname(outfile), { recursive: true })
  await build({
    stdin: {
      contents: [
        `export { sha256Hex } from './engine/base/hash.ts'`,
        `export { faultKinds } from './engine/chaos/actions.ts'`,
        `export { examine } from './engine/chaos/examine.ts'`,
        `export { randomSchedule } from './engine/chaos/random-schedule.ts'`,
        `export { rareStatesOf } from './engine/chaos/rare-states.ts'`,
        `export { goldenRun } from './engine/chaos/subject.ts'`,
        `export { chaosShapes } from './tests/chaos/shapes.ts'`,
        `export { subjectOf } from './tests/chaos/subjects.ts'`,
      ].join('\n'),
      resolveDir: root,
    },
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    alias: {
      'millrace/connectors': join(root, 'connectors', 'index.ts'),
      'millrace/testing': join(root, 'engine', 'testing', 'index.ts'),
      millrace: join(root, 'operators', 'index.ts'),
    },
    sourcemap: 'inline',
    logLevel: 'error',
  })
  return await import(pathToFileURL(outfile).href)
}
