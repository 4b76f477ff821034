import { join } from 'node:path'
import type { JobSettings } from '../engine/graph/stream-graph.ts'
import type { JobPlan } from '../engine/job/job-plan.ts'
import type { Config, Origin, SettingName, SettingValue } from './config.ts'
import type { RunFlags } from './run-options.ts'
import { explainSvg } from '../engine/graph/explain-svg.ts'
import { explainJson, explainText } from '../engine/graph/explain.ts'
import { DEFAULT_SETTINGS } from '../engine/graph/stream-graph.ts'
import { withJob } from './config.ts'
import { explainAgainst } from './explain-against.ts'
import { planJob } from './plan.ts'
import { configOf, runOptions } from './run-options.ts'

/** `millrace explain`: the plan as text, JSON or a picture; or, with `--config` alone, settings. */
export async function explainCommand(
  jobPath: string,
  flags: RunFlags & { readonly svg?: boolean; readonly against?: string },
): Promise<number> {
  const config = await configOf(flags)
  const options = runOptions(jobPath, flags, config)
  const plan = await planJob(options)
  if (flags.against !== undefined) {
    return explainAgainst(plan, flags.against, options, flags.json === true)
  }
  process.stdout.write(ended(render(plan, config, options.workRoot, flags)))
  return 0
}

function render(
  plan: JobPlan,
  config: Config,
  workRoot: string,
  flags: RunFlags & { readonly svg?: boolean },
): string {
  if (flags.config === true) {
    const rows = settingRows(plan, config, workRoot)
    return flags.json === true ? JSON.stringify(rows) : renderRows(rows)
  }
  if (flags.json === true) return JSON.stringify(explainJson(plan.graph, plan.parallelism))
  if (flags.svg === true) return explainSvg(plan.graph)
  return explainText(plan.graph, plan.parallelism)
}

const ended = (text: string): string => (text.endsWith('\n') ? text : `${text}\n`)

interface Row {
  readonly name: string
  readonly value: unknown
  readonly origin: Origin
  readonly from: string
}

/** Every setting and parameter of a run, with its value and where that comes from. */
function settingRows(plan: JobPlan, config: Config, workRoot: string): readonly Row[] {
  const settings = [...withJob(config, jobSettings(plan, workRoot))].map(([name, setting]) => ({
    name,
    ...setting,
  }))
  const parameters = Object.entries(plan.parameters).map(([name, value]): Row => {
    const given = config.parameters.get(name)
    // A secret is shown as the reference that was given.
    if (given !== undefined) return { name: `set.${name}`, ...given }
    return { name: `set.${name}`, value, origin: 'job', from: 'its default' }
  })
  return [...settings, ...parameters]
}

interface JobSetting {
  readonly value: SettingValue
  readonly isDefault: boolean
}

/** What the job says, and what holds when nobody says anything. */
function jobSettings(plan: JobPlan, workRoot: string): ReadonlyMap<SettingName, JobSetting> {
  const found = new Map<SettingName, JobSetting>([
    ['parallelism', { value: plan.parallelism, isDefault: true }],
    ['workDir', { value: join(workRoot, plan.job), isDefault: true }],
  ])
  const usual = flatten(DEFAULT_SETTINGS)
  for (const [name, value] of flatten(plan.settings)) {
    found.set(name, { value, isDefault: usual.get(name) === value })
  }
  return found
}

function flatten(settings: JobSettings): ReadonlyMap<SettingName, SettingValue> {
  const groups = { checkpointing: settings.checkpointing, restart: settings.restart }
  const entries = Object.entries(groups).flatMap(([group, values]) =>
    Object.entries(values).flatMap(([name, value]) =>
      value === undefined ? [] : [[`${group}.${name}` as SettingName, value] as const],
    ),
  )
  return new Map(entries)
}

function renderRows(rows: readonly Row[]): string {
  const cells = rows.map((row) => [row.name, shown(row.value), originText(row)])
  const widths = [0, 1].map((column) => Math.max(...cells.map((row) => row[column]!.length)))
  return cells
    .map(([name, value, origin]) =>
      [name!.padEnd(widths[0]!), value!.padEnd(widths[1]!), origin!].join('  '),
    )
    .join('\n')
}

function shown(value: unknown): string {
  if (value === Number.MAX_SAFE_INTEGER) return 'no limit'
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function originText(row: Row): string {
  return row.from === '' ? row.origin : `${row.origin}: ${row.from}`
}
