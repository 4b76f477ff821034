import { declarationText } from '../state/declaration-text.ts'
import { lostFields, stateMismatch } from '../state/schema-evolution.ts'
import { isWaitingState } from '../state/waiting-states.ts'
import type { StateChange } from '../state/state-changes.ts'
import { changedState, concerns } from '../state/state-changes.ts'
import type { StateDescriptor } from '../state/state.ts'
import type { ComparedStep, Finding, Refusal, StepComparison } from './comparison.ts'
import { finding, PROCESS_KINDS, refused } from './comparison.ts'
import { flagText } from './fit-options.ts'

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
    const part = `state "${old.name}"`
    if (state === undefined) {
      findings.push(finding(step, part, 'dropped', declarationText(old)))
      continue
    }
    const now = after.find(({ name }) => name === state.name)
    if (now !== undefined) found.add(now.name)
    const refusal = clash(step, old, state, before) ?? stateRefusal(step, old, state, now, after)
    if (refusal === undefined) {
      const verdict = state.name === old.name ? 'kept' : 'renamed'
      findings.push(finding(step, part, verdict, verdict === 'kept' ? '' : `to "${state.name}"`))
    } else if (held !== undefined && (held.states.get(old.name) ?? 0) === 0) {
      changes.push({ path: old.name, to: undefined }) // C3.
      findings.push(finding(step, part, 'dropped', 'it holds nothing'))
    } else {
      findings.push(refused(step, part, refusal.note, refusal))
    }
  }
  for (const state of after) {
    if (found.has(state.name)) continue
    findings.push(finding(step, `state "${state.name}"`, 'added', declarationText(state)))
  }
  return { findings, changes }
}

type NotedRefusal = Refusal & { readonly note: string }

function clash(
  { uid, options, checkpoint }: StepComparison,
  old: StateDescriptor,
  state: StateDescriptor,
  before: readonly StateDescriptor[],
): NotedRefusal | undefined {
  if (state.name === old.name) return undefined
  const taken = before.some(
    (other) => other !== old && changedState(other, options.changes)?.name === state.name,
  )
  if (!taken) return undefined
  return {
    code: 'USAGE',
    note: `there is a state "${state.name}" already`,
    message: `checkpoint ${checkpoint} has a state "${state.name}" of "${uid}" already`,
    hint: `Rename that one too, or lose it knowingly with ${flagText('--drop-state', `${uid}:${state.name}`)}.`,
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
  const drop = flagText('--drop-state', `${uid}:${old.name}`)
  if (now === undefined) return notDeclared(step, old, after)
  const mismatch = stateMismatch([state], [now])
  if (mismatch !== undefined) {
    return {
      code: 'STATE_SCHEMA_CHANGED',
      note: `was ${declarationText(old)}, now ${declarationText(now)}`,
      message: `"${uid}".${mismatch.path} was ${mismatch.was} in checkpoint ${checkpoint}, now ${mismatch.now}`,
      hint: PROCESS_KINDS.has(was.kind)
        ? `Declare it as it was, beside a new state that your function fills from it. Or lose it knowingly with ${drop}.`
        : `Put the step back as it was, or lose its state knowingly with ${flagText('--drop-state', uid)}.`,
    }
  }
  if (RECORD_KINDS.has(was.kind) || isWaitingState(old.name)) return undefined
  const dropped = new Set(
    options.changes.filter(({ to }) => to === undefined).map(({ path }) => path),
  )
  const lost = lostFields(state, now).filter((path) => !dropped.has(path))
  if (lost.length === 0) return undefined
  const [first] = lost
  const flags = lost.map((path) => flagText('--drop-state', `${uid}:${path}`)).join(' ')
  return {
    code: 'STATE_NOT_DECLARED',
    note: `the step does not declare ${lost.map((path) => `"${path}"`).join(', ')} any more`,
    message: `checkpoint ${checkpoint} holds "${first}" of "${uid}", which the step does not declare any more: it was ${declarationText(old)}, now ${declarationText(now)}`,
    hint: `If the field has a new name, say so with ${flagText('--rename-state', `${uid}:${first}=NEW`)}. Lose it knowingly with ${flags}.`,
  }
}

function notDeclared(
  { uid, was, checkpoint }: StepComparison,
  old: StateDescriptor,
  after: readonly StateDescriptor[],
): NotedRefusal {
  const drop = flagText('--drop-state', `${uid}:${old.name}`)
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
