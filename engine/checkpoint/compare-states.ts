import { stateWords } from '../graph/state-words.ts'
import { declarationText } from '../state/declaration-text.ts'
import { lostFields, stateMismatch } from '../state/schema-evolution.ts'
import { isWaitingState } from '../state/waiting-states.ts'
import type { StateChange } from '../state/state-changes.ts'
import { changedState, concerns } from '../state/state-changes.ts'
import type { StateDescriptor } from '../state/state.ts'
import type { ComparedStep, Finding, Refusal, StepComparison } from './comparison.ts'
import { finding, PROCESS_KINDS, refused } from './comparison.ts'
import { flagText } from './fit-options.ts'
import { knownName, onlyAggregate } from './known-names.ts'

/** Steps that keep records as they come: a field that their input has lost is lost to them too. */
const RECORD_KINDS: ReadonlySet<string> = new Set([
  'reduce',
  'window-reduce',
  'window-process',
  'interval-join',
  'top-n',
])

/** State by state, by name. */
export function compareStates(
  step: StepComparison,
  before: readonly StateDescriptor[],
  after: readonly StateDescriptor[],
): ComparedStep {
  const { options, held } = step
  const changes: StateChange[] = options.changes.filter(({ path }) =>
    before.some(({ name }) => concerns(path, name)),
  )
  const findings: Finding[] = []
  const found = new Set<string>()
  for (const old of before) {
    const state = changedState(old, options.changes)
    const part = partOf(step, old.name)
    if (state === undefined) {
      findings.push(finding(step, part, 'dropped', isOwn(step) ? declarationText(old) : ''))
      continue
    }
    const now = after.find(({ name }) => name === state.name)
    if (now !== undefined) found.add(now.name)
    const refusal = clash(step, old, state, before) ?? stateRefusal(step, old, state, now, after)
    if (refusal === undefined) {
      findings.push(
        state.name === old.name
          ? finding(step, keptPart(step, before, part), 'kept', '')
          : finding(step, part, 'renamed', `to "${nameOf(step, state.name)}"`),
      )
    } else if (held !== undefined && (held.states.get(old.name) ?? 0) === 0) {
      changes.push({ path: old.name, to: undefined }) // C3.
      findings.push(finding(step, part, 'dropped', 'it holds nothing'))
    } else {
      findings.push(refused(step, part, refusal.note, refusal))
    }
  }
  for (const state of after) {
    if (found.has(state.name)) continue
    const note = isOwn(step) ? declarationText(state) : ''
    findings.push(finding(step, partOf(step, state.name), 'added', note))
  }
  return { findings, changes }
}

function isOwn({ was }: StepComparison): boolean {
  return PROCESS_KINDS.has(was.kind)
}

function nameOf({ was }: StepComparison, path: string): string {
  return knownName(was.kind, path) ?? path
}

function partOf(step: StepComparison, state: string): string {
  if (isWaitingState(state)) return 'waiting records'
  if (isOwn(step)) return `state "${state}"`
  const name = knownName(step.was.kind, state)
  return name === undefined ? 'state' : `aggregate "${name}"`
}

/** The flag that drops a part of a step, or all of the step where the part has no name. */
function dropFlag({ uid, was }: StepComparison, ...paths: readonly string[]): string {
  const names = paths.map((path) => knownName(was.kind, path))
  const texts = names.map((name) => (name === undefined ? uid : `${uid}:${name}`))
  return [...new Set(texts)].map((text) => flagText('--drop-state', text)).join(' ')
}

/** States that the engine keeps for a declared step are named by what they hold. */
function keptPart(
  { was }: StepComparison,
  before: readonly StateDescriptor[],
  part: string,
): string {
  return PROCESS_KINDS.has(was.kind) ? part : `state: ${stateWords(was.kind, before).join(', ')}`
}

type NotedRefusal = Refusal & { readonly note: string }

function clash(
  step: StepComparison,
  old: StateDescriptor,
  state: StateDescriptor,
  before: readonly StateDescriptor[],
): NotedRefusal | undefined {
  const { uid, options, checkpoint } = step
  if (state.name === old.name) return undefined
  const name = nameOf(step, state.name)
  const taken = before.some(
    (other) => other !== old && changedState(other, options.changes)?.name === state.name,
  )
  if (!taken) return undefined
  return {
    code: 'USAGE',
    note: `there is a state "${name}" already`,
    message: `checkpoint ${checkpoint} has a state "${name}" of "${uid}" already`,
    hint: `Rename that one too, or lose it knowingly with ${dropFlag(step, state.name)}.`,
  }
}

function stateRefusal(
  step: StepComparison,
  old: StateDescriptor,
  state: StateDescriptor,
  now: StateDescriptor | undefined,
  after: readonly StateDescriptor[],
): NotedRefusal | undefined {
  const { uid, was, options, checkpoint } = step
  if (now === undefined) return notDeclared(step, old, after)
  const mismatch = stateMismatch([state], [now])
  if (mismatch !== undefined) {
    const isTheirs = isOwn(step)
    const place = isTheirs ? `.${mismatch.path}` : keptText(step, old.name, mismatch.path)
    return {
      code: 'STATE_SCHEMA_CHANGED',
      note: isTheirs
        ? `was ${declarationText(old)}, now ${declarationText(now)}`
        : `was ${mismatch.was}, now ${mismatch.now}`,
      message: `"${uid}"${place} was ${mismatch.was} in checkpoint ${checkpoint}, now ${mismatch.now}`,
      hint: isTheirs
        ? `Declare it as it was, beside a new state that your function fills from it. Or lose it knowingly with ${dropFlag(step, old.name)}.`
        : `Put the step back as it was, or lose its state knowingly with ${flagText('--drop-state', uid)}.`,
    }
  }
  if (RECORD_KINDS.has(was.kind) || isWaitingState(old.name)) return undefined
  const dropped = new Set(
    options.changes.filter(({ to }) => to === undefined).map(({ path }) => path),
  )
  const lost = lostFields(state, now).filter((path) => !dropped.has(path))
  if (lost.length === 0) return undefined
  const names = [...new Set(lost.map((path) => nameOf(step, path)))]
  const [first] = names
  const thing = isOwn(step) ? 'the field' : 'the aggregate'
  const texts = isOwn(step) ? `: it was ${declarationText(old)}, now ${declarationText(now)}` : ''
  return {
    code: 'STATE_NOT_DECLARED',
    note: `the step does not declare ${names.map((name) => `"${name}"`).join(', ')} any more`,
    message: `checkpoint ${checkpoint} holds "${first}" of "${uid}", which the step does not declare any more${texts}`,
    hint: `If ${thing} has a new name, say so with ${flagText('--rename-state', `${uid}:${first}=NEW`)}. Lose it knowingly with ${dropFlag(step, ...lost)}.`,
  }
}

/** Where in a declared step: an aggregate of it, a field of its records, or all that it keeps. */
function keptText({ was }: StepComparison, state: string, path: string): string {
  const name = knownName(was.kind, path) ?? onlyAggregate(was)
  if (name !== undefined) return `, aggregate "${name}",`
  const rest = path.slice(state.length)
  const inRecord = state === 'sessions' ? rest.replace(/^\[\]\.accumulator/, '') : rest
  const field = inRecord.replace(/^(?:\[\])?\./, '')
  return /^[.[]|^$/.test(field)
    ? ' holds values that do not fit: each'
    : ` keeps records whose "${field}"`
}

function notDeclared(
  step: StepComparison,
  old: StateDescriptor,
  after: readonly StateDescriptor[],
): NotedRefusal {
  const { uid, was, checkpoint } = step
  const drop = dropFlag(step, old.name)
  if (isWaitingState(old.name)) {
    return {
      code: 'STATE_NOT_DECLARED',
      note: 'records wait in it for their event time, and the step is in order of arrival now',
      message: `records of "${uid}" wait for their event time in checkpoint ${checkpoint}, and the step is in order of arrival now`,
      hint: `Give the step order: 'event-time' again, and change it when nothing waits. To lose the records knowingly, use ${drop}.`,
    }
  }
  const names = new Set(
    [...was.descriptors, ...(was.declared?.broadcast ?? [])].map(({ name }) => name),
  )
  const added = after.filter(({ name }) => !names.has(name))
  const near = added.find(
    (state) => stateMismatch([{ ...old, name: state.name }], [state]) === undefined,
  )
  if (!isOwn(step)) return notAggregated(step, old.name, near?.name)
  const declares =
    added.length === 0
      ? 'declares no new state'
      : `declares ${added.map((state) => `"${state.name}", ${declarationText(state)}`).join(' and ')}`
  const rename =
    near === undefined
      ? 'Declare it again.'
      : `If "${near.name}" is its new name, say so with ${flagText('--rename-state', `${uid}:${old.name}=${near.name}`)}.`
  return {
    code: 'STATE_NOT_DECLARED',
    note: `the step does not declare it any more; ${declarationText(old)}`,
    message: `checkpoint ${checkpoint} holds state "${old.name}" of "${uid}", ${declarationText(old)}, which the step does not declare any more; it ${declares}`,
    hint: `${rename} To lose it knowingly, use ${drop}.`,
  }
}

function notAggregated(step: StepComparison, old: string, near: string | undefined): NotedRefusal {
  const { uid, checkpoint } = step
  const [name, other] = [old, near].map((each) => {
    return each === undefined ? undefined : knownName(step.was.kind, each)
  })
  const what = name === undefined ? 'state' : `the aggregate "${name}"`
  const rename =
    name === undefined || other === undefined
      ? 'Put it back.'
      : `If "${other}" is its new name, say so with ${flagText('--rename-state', `${uid}:${name}=${other}`)}.`
  return {
    code: 'STATE_NOT_DECLARED',
    note: 'the step does not declare it any more',
    message: `checkpoint ${checkpoint} holds ${what} of "${uid}", which the step does not declare any more`,
    hint: `${rename} To lose it knowingly, use ${dropFlag(step, old)}.`,
  }
}
