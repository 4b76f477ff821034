// npm run soak: every search in whole, one after another, and then again with other seeds for as
// long as there is time. What was done is in out/soak/figures.jsonl and, as tables, report.md.
//
//   npm run soak                    each search once
//   npm run soak -- --minutes 600   rounds, each with seeds of its own, for ten hours
//   npm run soak -- --seed 7 --only mutants
import { spawnSync } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { fileURLToPath } from 'node:url'

const PARTS = [
  { name: 'model', path: 'tests/model', project: 'chaos' },
  { name: 'corruption', path: 'tests/chaos/corruption', project: 'chaos' },
  { name: 'power-loss', path: 'tests/chaos/power-loss', project: 'chaos' },
  { name: 'rescale', path: 'tests/chaos/rescale', project: 'chaos' },
  { name: 'simulation', path: 'tests/chaos/simulation', project: 'chaos' },
  { name: 'invariants', path: 'tests/chaos/invariants', project: 'chaos' },
  { name: 'campaign', path: 'tests/chaos/campaign', project: 'chaos' },
  { name: 'exhaust', path: 'tests/chaos/exhaust', project: 'chaos' },
  { name: 'mutants', path: 'tests/mutants', project: 'chaos' },
  { name: 'processes', path: 'tests/processes', project: 'integration' },
  { name: 'kills', path: 'tests/kill', project: 'integration' },
]

const root = fileURLToPath(new URL('..', import.meta.url))
const { values } = parseArgs({
  options: {
    minutes: { type: 'string' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
if (values.help) {
  console.log('npm run soak -- [--minutes N] [--seed N] [--only PART,…]')
  console.log(`parts: ${PARTS.map(({ name }) => name).join(', ')}`)
  process.exit(0)
}
const minutes = values.minutes === undefined ? undefined : Number(values.minutes)
const firstSeed = Number(values.seed)
const wanted = values.only?.split(',')
const unknown = wanted?.filter((name) => !PARTS.some((part) => part.name === name)) ?? []
if (unknown.length > 0 || !(firstSeed > 0) || (minutes !== undefined && !(minutes > 0))) {
  console.error('soak: a number or part is not right; see npm run soak -- --help')
  process.exit(2)
}

const folder = `${root}out/soak`
const figures = `${folder}/figures.jsonl`
mkdirSync(folder, { recursive: true })
rmSync(figures, { force: true })

/** Seeds of two rounds are far apart: a search counts up from its first. */
const SEEDS_OF_A_ROUND = 1_000_000
const startedMs = Date.now()
const isTime = () => minutes !== undefined && Date.now() - startedMs >= minutes * 60_000
const outcomes = []

for (let round = 0; round === 0 || (minutes !== undefined && !isTime()); round += 1) {
  const seed = firstSeed + round * SEEDS_OF_A_ROUND
  for (const part of PARTS) {
    if (wanted !== undefined && !wanted.includes(part.name)) continue
    if (isTime()) {
      outcomes.push({ part: part.name, round, outcome: 'not run: the time was up' })
      continue
    }
    outcomes.push(run(part, round, seed))
  }
}
writeFileSync(`${folder}/report.md`, report())
console.log(report())
process.exitCode = outcomes.some(({ outcome }) => outcome === 'failed') ? 1 : 0

function run({ name, path, project }, round, seed) {
  console.log(`\n> ${name}, seed ${seed}`)
  const beganMs = Date.now()
  appendFileSync(figures, `${JSON.stringify({ part: name, round, seed })}\n`)
  const vitest = `${root}node_modules/vitest/vitest.mjs`
  const { status } = spawnSync(process.execPath, [vitest, 'run', path, '--project', project], {
    cwd: root,
    stdio: 'inherit',
    env: {
      ...process.env,
      MILLRACE_TEST_BUILT: 'yes',
      MILLRACE_TEST_SOAK: '1',
      MILLRACE_TEST_SEED: String(seed),
      MILLRACE_TEST_FIGURES: figures,
    },
  })
  const seconds = Math.round((Date.now() - beganMs) / 1_000)
  return { part: name, round, seed, outcome: status === 0 ? 'passed' : 'failed', seconds }
}

function report() {
  const commit = git('rev-parse', '--short', 'HEAD')
  const changed = git('status', '--porcelain') === '' ? '' : ' with changes'
  const [cpu] = cpus()
  const lines = [
    `Commit ${commit}${changed}, ${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores of ${cpu?.model ?? '?'}, Node ${process.versions.node}.`,
    '',
    '| part | seed | outcome | seconds |',
    '| --- | --- | --- | --- |',
    ...outcomes.map(
      (one) => `| ${one.part} | ${one.seed ?? ''} | ${one.outcome} | ${one.seconds ?? ''} |`,
    ),
    '',
  ]
  const byWhat = new Map()
  for (const line of existsSync(figures) ? readFileSync(figures, 'utf8').split('\n') : []) {
    if (line === '') continue
    const { what, ...counts } = JSON.parse(line)
    if (what === undefined) continue
    byWhat.set(what, [...(byWhat.get(what) ?? []), counts])
  }
  for (const [what, all] of byWhat) lines.push(`- ${what}: ${summed(all)}`)
  return `${lines.join('\n')}\n`
}

/** Numbers are added up; of texts each that came is named once. */
function summed(all) {
  const names = new Set(all.flatMap((one) => Object.keys(one)))
  const parts = [...names].map((name) => {
    const given = all.map((one) => one[name]).filter((value) => value !== undefined)
    const isNumber = given.every((value) => typeof value === 'number')
    if (isNumber) return `${name} ${Math.round(given.reduce((sum, value) => sum + value, 0))}`
    const texts = [...new Set(given.map(String))]
    return `${name} ${texts.length > 3 ? `${texts.length} of them` : texts.join(', ')}`
  })
  return parts.join('; ')
}

function git(...argv) {
  return spawnSync('git', argv, { cwd: root, encoding: 'utf8' }).stdout.trim()
}
