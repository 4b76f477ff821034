// What fault points cost where nothing is broken: the built package against a copy with its hooks
// taken out, in pairs. node bench/chaos-hooks.mjs [pairs] [events]. Build the project first.
import { execFileSync } from 'node:child_process'
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const bare = join(root, 'out', 'bare')
const pairs = Number(process.argv[2] ?? 9)
const events = process.argv[3] ?? '5000000'

rmSync(bare, { recursive: true, force: true })
for (const name of ['package.json', 'dist', 'bench', 'engine']) {
  cpSync(join(root, name), join(bare, name), { recursive: true })
}
let taken = 0
for (const path of readdirSync(join(bare, 'dist', 'engine'), { recursive: true })) {
  if (!/^(task|worker|job|checkpoint)\/.*\.js$/.test(path)) continue
  const file = join(bare, 'dist', 'engine', path)
  const text = readFileSync(file, 'utf8')
  const without = text
    .replace(/^ *(?:await )?[\w.#]*faults\?\.\w+\([\s\S]*?\);\n/gm, () => ((taken += 1), ''))
    .replace(/^ *if \([\w.#]*faults !== undefined\)\n? *[^{\n]*;\n/gm, () => ((taken += 1), ''))
  if (without !== text) writeFileSync(file, without)
}
if (taken < 20) throw new Error(`only ${taken} hooks were found: the pattern is out of date`)

function measured(folder, bench) {
  const args = [join(folder, 'bench', 'run.mjs'), 'main', bench, '--events', events, '--json']
  const line = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }))
  if (!line.correct) throw new Error(`a wrong answer of ${folder}`)
  return line
}

const median = (values) => values.sort((left, right) => left - right)[values.length >> 1]

for (const bench of ['chain', 'keyed']) {
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
