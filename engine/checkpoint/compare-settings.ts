import type { Json } from '../base/json.ts'
import { canonicalJson } from '../graph/plan.ts'
import { aggregateText, windowWords } from '../graph/step-words.ts'
import type { Finding, StepComparison } from './comparison.ts'
import { finding, refused } from './comparison.ts'
import { flagText } from './fit-options.ts'
import { TIMERS } from './known-names.ts'

/** `keep`: the state can be read with the new value, and a person may know that it is right. */
const SETTINGS: Readonly<Record<string, { readonly words: string; readonly keep: boolean }>> = {
  windows: { words: 'the windows', keep: false },
  allowedLatenessMs: { words: 'allowedLateness', keep: true },
  lowerMs: { words: 'the lower bound', keep: true },
  upperMs: { words: 'the upper bound', keep: true },
  n: { words: 'n', keep: true },
  by: { words: 'the ranked field', keep: false },
}

/**
 * Windows, aggregates, bounds, timers: state is read with another meaning when they change. The
 * changes of `step` are as a person gave them.
 */
export function settingsOf(step: StepComparison): readonly Finding[] {
  const before = step.was.declared?.settings
  if (before === undefined) return []
  const now = step.now.declared.settings
  const found: Finding[] = []
  for (const [name, { words, keep }] of Object.entries(SETTINGS)) {
    const [old, value] = [before[name], now[name]]
    if (old === undefined || value === undefined || isSame(old, value)) continue
    const asWords = name === 'windows' ? windowsText : JSON.stringify
    found.push(settingFinding(step, words, ...textsOf(old, value, asWords), keep))
  }
  // That of a process function says in which order it gets records, not what it keeps.
  const [oldOrder, order] = [before['order'], now['order']]
  if (step.was.kind === 'top-n' && oldOrder !== order) {
    const texts = [JSON.stringify(oldOrder), JSON.stringify(order)] as const
    found.push(settingFinding(step, 'the order', ...texts, false))
  }
  return [
    ...found,
    ...aggregatesOf(step, before['aggregates'], now['aggregates']),
    ...timersOf(step),
  ]
}

function isSame(left: Json, right: Json): boolean {
  return canonicalJson(left) === canonicalJson(right)
}

/** Both as `asWords` says them, or all that is known of them where those words are the same. */
function textsOf(
  was: Json,
  now: Json,
  asWords: (value: Json) => string,
): readonly [string, string] {
  const [before, after] = [asWords(was), asWords(now)]
  return before === after ? [JSON.stringify(was), JSON.stringify(now)] : [before, after]
}

function windowsText(windows: Json): string {
  return windowWords(windows as Readonly<Record<string, Json>>)
}

function settingFinding(
  step: StepComparison,
  words: string,
  was: string,
  now: string,
  keep: boolean,
  drop = step.uid,
): Finding {
  const { uid, checkpoint, options } = step
  const note = `was ${was}, now ${now}`
  if (keep && options.isKept) return finding(step, words, 'kept', note)
  const kept = keep
    ? ` To go on with the state as it is, which gives no right answer for what is under way, use ${flagText('--keep-state', uid)}.`
    : ''
  return refused(step, words, note, {
    code: 'STATE_SCHEMA_CHANGED',
    message: `${words} of "${uid}": ${was} in checkpoint ${checkpoint}, now ${now}`,
    hint: `Set it back. Or give the changed step a new uid and lose the old state knowingly with ${flagText('--drop-state', drop)}.${kept}`,
  })
}

interface AggregateSetting {
  readonly name: string
  readonly aggregate: { readonly type: string } & Readonly<Record<string, Json>>
}

/** The same accumulator may hold a sum or a maximum: only the plan tells. */
function aggregatesOf(
  step: StepComparison,
  old: Json | undefined,
  now: Json | undefined,
): readonly Finding[] {
  const before = (old ?? []) as unknown as readonly AggregateSetting[]
  const after = (now ?? []) as unknown as readonly AggregateSetting[]
  // In a running aggregate each one has states of its own.
  const isRunning = step.was.kind === 'aggregate'
  if (!isRunning && before.length !== after.length && Math.min(before.length, after.length) === 1) {
    // One alone is kept without its name: as a part of several it would be taken for another.
    return [settingFinding(step, 'the aggregates', namesOf(before), namesOf(after), false)]
  }
  const isAlone = !isRunning && before.length === 1
  return before.flatMap(({ name, aggregate }) => {
    const changes = step.options.changes.filter(({ path }) => path === name)
    if (isRunning && changes.some(({ to }) => to === undefined)) return []
    const called = changes.find(({ to }) => to !== undefined)?.to ?? name
    const found = after.find((candidate) => candidate.name === called)
    const other = (isAlone ? after[0] : found)?.aggregate
    if (other === undefined || isSame(aggregate, other)) return []
    const isSameType = aggregate.type === other.type
    const texts = textsOf(aggregate, other, aggregateText)
    const drop = isRunning ? `${step.uid}:${name}` : step.uid
    return [settingFinding(step, `the aggregate "${name}"`, ...texts, isSameType, drop)]
  })
}

function namesOf(aggregates: readonly AggregateSetting[]): string {
  return aggregates.map(({ name }) => `"${name}"`).join(', ')
}

function timersOf(step: StepComparison): readonly Finding[] {
  const { was, now, uid, options, held, checkpoint } = step
  if (was.declared?.settings['timers'] !== true || now.declared.settings['timers'] === true) {
    return []
  }
  if (held?.timers === 0) return []
  if (options.changes.some(({ path, to }) => path === TIMERS && to === undefined)) {
    return [finding(step, 'timers', 'dropped', 'the step has no onTimer any more')]
  }
  return [
    refused(step, 'timers', 'the step has no onTimer any more', {
      code: 'STATE_NOT_DECLARED',
      message: `checkpoint ${checkpoint} holds timers of "${uid}", which has no onTimer any more`,
      hint: `Give the step its onTimer back, or lose the timers knowingly with ${flagText('--drop-state', `${uid}:${TIMERS}`)}.`,
    }),
  ]
}
