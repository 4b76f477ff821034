import type { FaultAction } from '../../engine/faults/schedule.ts'
import { StreamError } from '../../engine/base/errors.ts'
import { actionsAt } from '../../engine/chaos/actions.ts'
import { faultPointNames, faultPoints, isFaultPoint } from '../../engine/faults/points.ts'
import { describeAction } from '../../engine/faults/schedule.ts'
import type { FaultPointName } from '../../engine/faults/points.ts'
import { nearest } from '../../engine/graph/suggest.ts'
import {
  describeInvariant,
  invariantIds,
  invariantLines,
  invariantOf,
  invariantsSection,
} from './invariants.ts'

/** `millrace chaos points`: every step that has a name, by group. */
export function pointsCommand(flags: { readonly json?: boolean }): Promise<number> {
  process.stdout.write(flags.json === true ? `${JSON.stringify(pointsData())}\n` : pointsText())
  return Promise.resolve(0)
}

/**
 * `millrace chaos explain <point or invariant>`. Throws USAGE, with the nearest name, for one there
 * is not.
 */
export function explainCommand(name: string): Promise<number> {
  const invariant = invariantOf(name)
  const text = invariant === undefined ? describePoint(known(name)) : describeInvariant(invariant)
  process.stdout.write(`${text}\n`)
  return Promise.resolve(0)
}

function known(point: string): FaultPointName {
  if (isFaultPoint(point)) return point
  const near = nearest(point, [...faultPointNames, ...invariantIds])
  throw new StreamError('USAGE', `there is no fault point and no invariant "${point}"`, {
    hint:
      near === undefined ? '"millrace chaos points" lists them all.' : `Did you mean "${near}"?`,
  })
}

/** What happens there, what must hold, and what can be done. */
export function describePoint(point: FaultPointName): string {
  const { does, holds, form, lane } = faultPoints[point]
  return [
    point,
    `  about to happen   ${does}`,
    `  must hold after   ${holds}`,
    `  seen as           ${FORMS[form]}, in the lane of the ${lane}`,
    `  can be done       ${actionsAt(point).map(describeAction).join('; ')}`,
  ].join('\n')
}

const FORMS = {
  step: 'a step that happens at once',
  wait: 'a step that may be late',
  message: 'a message that may be lost or late',
  disk: 'a call of the disk',
} as const

function pointsData(): readonly object[] {
  return faultPointNames.map((point) => ({
    point,
    ...faultPoints[point],
    actions: actionsAt(point),
  }))
}

function groups(): ReadonlyMap<string, readonly FaultPointName[]> {
  const found = new Map<string, FaultPointName[]>()
  for (const point of faultPointNames) {
    const group = point.slice(0, point.indexOf('.'))
    if (!found.has(group)) found.set(group, [])
    found.get(group)!.push(point)
  }
  return found
}

function pointsText(): string {
  const width = Math.max(...faultPointNames.map((point) => point.length))
  const lines = [...groups().values()].map((points) =>
    points.map((point) => `${point.padEnd(width)}  ${faultPoints[point].does}\n`).join(''),
  )
  const held = invariantLines().map((line) => `${line}\n`)
  const counts = `${faultPointNames.length} points, ${invariantIds.length} invariants`
  return `${lines.join('\n')}\nInvariants, against which chaos checks every run:\n${held.join('')}\n${counts}; "millrace chaos explain <name>" says more\n`
}

const GROUPS: Readonly<Record<string, string>> = {
  recover: 'Start and recovery',
  master: 'The job master',
  worker: 'Workers',
  task: 'Subtasks',
  source: 'Sources',
  timer: 'Timers',
  align: 'Alignment',
  barrier: 'Barriers',
  snapshot: 'Snapshots of subtasks',
  coordinator: 'The checkpoint coordinator',
  sink: 'Sinks',
  commit: 'Commits',
  disk: 'The disk, by the purpose of a file',
  kafka: 'Brokers',
}

/** docs/fault-points.md, whole. */
export function pointsPage(): string {
  const parts = [...groups()].map(([group, points]) => {
    const rows = points.map((point) => {
      const { does, holds } = faultPoints[point]
      return `| \`${point}\` | ${does} | ${holds} | ${kindsAt(point)} |`
    })
    return [
      `## ${GROUPS[group] ?? group}`,
      '',
      '| point | about to happen | must hold when the run ends here | can be done |',
      '| --- | --- | --- | --- |',
      ...rows,
    ].join('\n')
  })
  return `${PAGE_HEAD}\n${invariantsSection()}\n\n${parts.join('\n\n')}\n`
}

/** The kinds of actions, each once. */
function kindsAt(point: FaultPointName): string {
  const kinds = actionsAt(point).map((action: FaultAction) =>
    action.type === 'errno' ? action.errno : action.type,
  )
  return [...new Set(kinds)].join(', ')
}

const PAGE_HEAD = `# Fault points and invariants

A fault point is a named step of the checkpoint protocol. The names do not change. You use them in
the schedules of \`millrace chaos\`. \`millrace chaos points\` lists all points, and
\`millrace chaos explain <point>\` shows one. This page is generated from the table in
\`engine/faults/points.ts\`.

A fault strikes just before the step happens. To choose a subtask, give \`uid\` and \`subtask\`. Points
of the disk have no \`uid\`. In a normal run a point costs one comparison.

A *life* is one run of the engine, from its start to its end or crash.

How the actions differ between simulation and real runs:

| action | simulation | \`--mode process\` | \`--mode threads\` |
| --- | --- | --- | --- |
| crash | the life ends, the page cache stays | SIGKILL of the engine process | the life ends, its workers are terminated |
| power-loss | data that was not synced is lost or torn | as a crash | as a crash |
| torn | part of a write, then a power loss | part of a write, then SIGKILL | part of a write, then the life ends |
| throw, errno, drop, duplicate, delay | at the step | the same | the same |
| pause | time passes, nothing else happens | SIGSTOP, then SIGCONT | the same, for the one process |
| clock | the virtual wall clock moves | the engine's wall clock moves, not that of user code | the same |
| fence | a second start of the same job | a second \`millrace run\` | not available |
| rescale | the next life has another parallelism | both processes are killed, then restart at another parallelism | as a crash |
| ask | a user asks for a stop or a savepoint | \`millrace stop\` or \`savepoint\` | not available |
`
