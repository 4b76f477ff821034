// What fault points cost where nothing is broken: how often a run passes one, and the built package
// against a copy with its hooks taken out, in pairs. node bench/chaos-hooks.mjs [pairs] [events]. Build the project first.
import { execFileSync } from 'node:child_process'
import { cpSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const bare = join(root, 'out', 'bare')
const counting = join(root, 'out', 'counting')
const pairs = Number(process.argv[2] ?? 9)
const events = process.argv[3] ?? '5000000'

/** A copy of what is built, in which `change` stands in the place of every hook. */
function copied(folder, change) {
  rmSync(folder, { recursive: true, force: true })
  for (const name of ['package.json', 'dist', 'bench', 'engine']) {
    cpSync(join(root, name), join(folder, name), { recursive: true })
  }
  let taken = 0
  const instead = () => ((taken += 1), change)
  for (const path of readdirSync(join(folder, 'dist', 'engine'), { recursive: true })) {
    if (!/^(task|worker|job|checkpoint)\/.*\.js$/.test(path)) continue
    const file = join(folder, 'dist', 'engine', path)
    const text = readFileSync(file, 'utf8')
    const without = text
      .replace(/^ *(?:await )?[\w.#]*faults\?\.\w+\([\s\S]*?\);\n/gm, instead)
      .replace(/^ *if \([\w.#]*faults !== undefined\)\n? *[^{\n]*;\n/gm, instead)
    if (without !== text) writeFileSync(file, without)
  }
  if (taken < 20) throw new Error(`only ${taken} hooks were found: the pattern is out of date`)
  return taken
}

/** Threads that are terminated say nothing at their end: each counts in steps, into a file. */
const COUNTED_IN_STEPS_OF = 50
const counts = join(root, 'out', 'hooks-passed')
const COUNTING = `if ((globalThis.hooksPassed = (globalThis.hooksPassed ?? 0) + 1) % ${COUNTED_IN_STEPS_OF} === 0) process.getBuiltinModule('node:fs').appendFileSync(process.env.HOOKS_PASSED, '.');\n`
/** What a hook that is off may cost at most: it compares a field with undefined. */
const HOOK_NS_MAX = 10

const taken = copied(bare, '')
copied(counting, COUNTING)

function measured(folder, bench) {
  const env = { ...process.env, HOOKS_PASSED: counts }
  const args = [join(folder, 'bench', 'run.mjs'), 'main', bench, '--events', events, '--json']
  const line = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8', env }))
  if (!line.correct) throw new Error(`a wrong answer of ${folder}`)
  return line
}

const median = (values) => values.sort((left, right) => left - right)[values.length >> 1]

for (const bench of ['chain', 'keyed']) {
  writeFileSync(counts, '')
  const { cpuSeconds } = measured(counting, bench)
  const passed = statSync(counts).size * COUNTED_IN_STEPS_OF
  const perMillion = Math.round((passed / Number(events)) * 1_000_000)
  const share = (passed * HOOK_NS_MAX) / 1e9 / cpuSeconds
  console.log(
    `${bench}: hooks are passed ${passed} times, ${perMillion} a million records; at ` +
      `${HOOK_NS_MAX} ns each ${(share * 100).toFixed(5)} % of the processor time`,
  )
  const ratios = { seconds: [], cpuSeconds: [] }
  for (let pair = 0; pair < pairs; pair += 1) {
    // Whoever goes second finds another machine: they take turns.
    const order = pair % 2 === 0 ? [root, bare] : [bare, root]
    const lines = new Map(order.map((folder) => [folder, measured(folder, bench)]))
    for (const [name, list] of Object.entries(ratios)) {
      list.push(lines.get(root)[name] / lines.get(bare)[name])
    }
  }
  const load = loadavg()[0].toFixed(1)
  for (const [name, list] of Object.entries(ratios)) {
    const middle = median(list)
    const spread = `${list[0].toFixed(3)} to ${list.at(-1).toFixed(3)}`
    console.log(
      `${bench}, ${name}: with hooks / without ${middle.toFixed(3)} (${spread}), ` +
        `${pairs} pairs of ${events} events, ${taken} hooks taken out, load ${load}`,
    )
  }
}
