// npm start: runs the main job, kills its engine process in the middle, and checks what it landed
// with an independent reader. Each run has a numbered folder of its own under ./out.
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { verify } from './verify.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const records = Number(process.env.RECORDS ?? 1_500_000)
const perSecond = Number(process.env.PER_SECOND ?? 150_000)

const folder = newFolder(join(process.cwd(), 'out'))
const work = join(folder, 'work')
console.log(
  `The main job: ${records.toLocaleString('en')} orders of 40 shops, out of order by up to 25 s,`,
)
console.log('landed as Parquet, and as revenue for each shop and minute.')
console.log(`Output: ${folder}\n`)

const startedMs = Date.now()
const job = spawn(
  process.execPath,
  [
    join(root, 'dist/cli/main.js'),
    'run',
    join(root, 'examples/start/shop.ts'),
    '--parallelism',
    '2',
    '--work-dir',
    work,
    '--set',
    `directory=${folder}`,
    '--set',
    `records=${records}`,
    '--set',
    `perSecond=${perSecond}`,
  ],
  { stdio: ['ignore', 'inherit', 'inherit'] },
)
const peak = watchMemory(job.pid, work)
const killed = killOnceInTheMiddle(work, ((records / perSecond) * 1_000) / 2)
const code = await new Promise((done) => job.on('close', done))
peak.stop()
if (code !== 0) {
  console.error(`the job ended with exit code ${code}`)
  process.exit(1)
}

console.log(
  `\nThe job took ${((Date.now() - startedMs) / 1_000).toFixed(1)} s, killed ${killed.count} time(s).`,
)
if (peak.mebibytes() > 0)
  console.log(`Peak memory, parent and engine together: ${peak.mebibytes()} MiB.`)
console.log('Reading everything back with DuckDB and counting it all again …\n')
const ok = await verify(folder, records)
process.exit(ok ? 0 : 1)

function newFolder(base) {
  mkdirSync(base, { recursive: true })
  for (let number = 1; ; number += 1) {
    const path = join(base, `shop-${String(number).padStart(3, '0')}`)
    try {
      mkdirSync(path)
      return path
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
  }
}

/** SIGKILL to the engine process, when half the time has gone and there is a checkpoint. */
function killOnceInTheMiddle(workDir, afterMs) {
  const report = { count: 0 }
  let runsSinceMs
  const timer = setInterval(() => {
    const manifests = join(workDir, 'manifests')
    if (!existsSync(manifests) || readdirSync(manifests).length === 0) return
    runsSinceMs ??= Date.now()
    if (Date.now() - runsSinceMs < afterMs) return
    clearInterval(timer)
    const pid = enginePid(workDir)
    if (pid === undefined) return
    console.log(`\n*** kill -9 ${pid}: the engine process dies in the middle of its work ***\n`)
    process.kill(pid, 'SIGKILL')
    report.count += 1
  }, 100)
  timer.unref()
  return report
}

function enginePid(workDir) {
  try {
    return JSON.parse(readFileSync(join(workDir, 'owner.json'), 'utf8')).pid
  } catch {
    return undefined
  }
}

/** The greatest sum of what the parent and the engine had resident at a time; 0 where /proc is not. */
function watchMemory(parent, workDir) {
  let most = 0
  const timer = setInterval(() => {
    most = Math.max(most, resident(parent) + resident(enginePid(workDir)))
  }, 100)
  return { stop: () => clearInterval(timer), mebibytes: () => Math.round(most / 1_024) }
}

function resident(pid) {
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1])
  } catch {
    return 0
  }
}
