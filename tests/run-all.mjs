// npm test: every check this project has, in one go, with one total at the end.
//
// The package is built first. Then three lanes run side by side: one lane searches and uses one core,
// one starts processes and waits for them much of the time, one does the static checks, each of which
// counts as one test. Under CI=true a skipped test is a failure: a missing tool must not look green.
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const totals = `${root}out/test-totals.json`
mkdirSync(`${root}out`, { recursive: true })
rmSync(totals, { force: true })

const tool = (path) => `${root}node_modules/${path}`
/** Emits only: the check of the types holds every file that is built. */
const BUILD = [tool('typescript/bin/tsc'), '-p', 'tsconfig.build.json', '--noCheck']
const CHECKS = [
  ['lint', [tool('eslint/bin/eslint.js'), '.']],
  ['types', [tool('typescript/bin/tsc'), '-p', 'tsconfig.json']],
  ['format', [tool('prettier/bin/prettier.cjs'), '--check', '.']],
]
const wanted = process.argv.slice(2)
/** The suites of each lane run one after another. Who names a project gets one lane. */
const LANES = wanted.some((argument) => argument.startsWith('--project'))
  ? [{ name: 'tests', suites: [] }]
  : [
      { name: 'searches', suites: ['unit', 'chaos'] },
      { name: 'processes', suites: ['integration', 'kafka'] },
    ]

let passed = 0
let failed = 0
let skipped = 0
const failures = []
const skippedNames = []

await check('build', BUILD)
await Promise.all([staticChecks(), ...LANES.map(runLane)])

if (passed + failed === CHECKS.length + 1) {
  failed += 1
  failures.push('no test ran')
}
if (skipped > 0) {
  console.log(`\n${skipped} skipped:\n${skippedNames.map((name) => `  ${name}`).join('\n')}`)
  if (process.env.CI === 'true') {
    failed += skipped
    failures.push(`${skipped} skipped under CI=true`)
  }
}

for (const name of failures) console.log(`FAILED ${name}`)
writeFileSync(totals, JSON.stringify({ passed, failed, skipped }))
console.log(`\n${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1

async function staticChecks() {
  for (const [name, command] of CHECKS) await check(name, command)
}

/** One command that counts as one test; what it says is shown when it has ended. */
async function check(name, command) {
  const said = []
  const startedMs = Date.now()
  const status = await run(command, {}, (text) => said.push(text))
  const seconds = ((Date.now() - startedMs) / 1000).toFixed(1)
  process.stdout.write(`> ${name}: ${status === 0 ? 'holds' : 'fails'}, ${seconds} s\n`)
  if (status === 0) passed += 1
  else {
    failed += 1
    failures.push(`check: ${name}`)
    process.stdout.write(said.join(''))
  }
}

async function runLane({ name, suites }) {
  const report = `${root}out/test-report-${name}.json`
  rmSync(report, { force: true })
  const projects = suites.flatMap((suite) => ['--project', suite])
  // A lane has one core: its files run one after another.
  const workers = suites.length === 0 ? [] : ['--maxWorkers', '1']
  const status = await run(
    [
      ...[tool('vitest/vitest.mjs'), 'run', '--passWithNoTests', ...projects, ...workers],
      ...['--reporter=default', '--reporter=json', `--outputFile.json=${report}`, ...wanted],
    ],
    { MILLRACE_TEST_BUILT: 'yes' },
    (text) => process.stdout.write(text),
  )
  const tests = readReport(report)
  passed += tests.passed
  failed += tests.failed + tests.broken
  skipped += tests.skipped
  failures.push(...tests.names)
  skippedNames.push(...tests.skippedNames)
  // An error outside of any test, or a set-up that failed, is in no report.
  if (status !== 0 && tests.failed + tests.broken === 0) {
    failed += 1
    failures.push(`tests: the lane of ${name} ended with ${status}`)
  }
}

function run(command, environment, said) {
  const child = spawn(process.execPath, command, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  })
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', said)
  return new Promise((done) => {
    child.on('error', () => done(1))
    child.on('close', (code) => done(code ?? 1))
  })
}

/** Totals from the tests' own report; a file that failed to load has no tests and counts as one. */
function readReport(report) {
  const found = { passed: 0, failed: 0, broken: 0, skipped: 0, names: [], skippedNames: [] }
  let data
  try {
    data = JSON.parse(readFileSync(report, 'utf8'))
  } catch {
    return found
  }
  for (const file of data.testResults) {
    const name = file.name.replace(root, '')
    let failedHere = 0
    for (const test of file.assertionResults) {
      if (test.status === 'passed') found.passed += 1
      else if (test.status === 'failed') {
        failedHere += 1
        found.names.push(`${name}: ${test.fullName}`)
      } else {
        found.skipped += 1
        found.skippedNames.push(`${name}: ${test.fullName}`)
      }
    }
    found.failed += failedHere
    if (file.status === 'failed' && failedHere === 0) {
      found.broken += 1
      found.names.push(`${name}: ${file.message.split('\n')[0]}`)
    }
  }
  return found
}
