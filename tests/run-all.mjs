// npm test: every check this project has, in one go, with one total at the end.
//
// The static checks run first and each counts as one; then every suite. Under CI=true a test that
// was skipped is a failure: a missing tool must not look like a green run.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const report = `${root}out/test-report.json`
const totals = `${root}out/test-totals.json`
mkdirSync(`${root}out`, { recursive: true })
rmSync(report, { force: true })
rmSync(totals, { force: true })

const tool = (path) => `${root}node_modules/${path}`
const CHECKS = [
  ['format', [tool('prettier/bin/prettier.cjs'), '--check', '.']],
  ['lint', [tool('eslint/bin/eslint.js'), '.']],
  ['types', [tool('typescript/bin/tsc'), '-p', 'tsconfig.json']],
  ['build', [tool('typescript/bin/tsc'), '-p', 'tsconfig.build.json']],
]

let passed = 0
let failed = 0
const failures = []

for (const [name, command] of CHECKS) {
  console.log(`\n> ${name}`)
  if (run(command, {}) === 0) passed += 1
  else {
    failed += 1
    failures.push(`check: ${name}`)
  }
}

console.log('\n> tests')
const suites = [tool('vitest/vitest.mjs'), 'run', '--reporter=default', '--reporter=json']
run([...suites, `--outputFile.json=${report}`, ...process.argv.slice(2)], {
  MILLRACE_TEST_BUILT: 'yes',
})
const tests = readReport()
passed += tests.passed
failed += tests.failed + tests.broken
failures.push(...tests.names)

if (tests.passed + tests.failed === 0) {
  failed += 1
  failures.push('no test ran')
}
if (tests.skipped > 0) {
  console.log(
    `\n${tests.skipped} skipped:\n${tests.skippedNames.map((name) => `  ${name}`).join('\n')}`,
  )
  if (process.env.CI === 'true') {
    failed += tests.skipped
    failures.push(`${tests.skipped} skipped under CI=true`)
  }
}

for (const name of failures) console.log(`FAILED ${name}`)
writeFileSync(totals, JSON.stringify({ passed, failed, skipped: tests.skipped }))
console.log(`\n${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1

function run(command, environment) {
  const result = spawnSync(process.execPath, command, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...environment },
  })
  return result.status ?? 1
}

/** Totals from the tests' own report; a file that failed to load has no tests and counts as one. */
function readReport() {
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
