/**
 * Whether a step of the present job can go on with the state of a checkpoint. Pure.
 *
 * C1. A state, a field of it or a timer that the checkpoint holds and the step does not know is
 *     refused, until it is renamed or dropped knowingly.
 * C2. So is state whose meaning has changed: another key, other windows, another aggregate.
 * C3. What is known to hold nothing is never refused: nothing can be lost.
 */
import { settingsOf } from './compare-settings.ts'
import { compareStates } from './compare-states.ts'
import type { ComparedStep, Finding, StepComparison } from './comparison.ts'
import { finding, PROCESS_KINDS, refused } from './comparison.ts'
import { flagText } from './fit-options.ts'
import { changesOfStates } from './known-names.ts'
import type { KeyDeclaration } from './snapshot.ts'

export function compareStep(given: StepComparison): ComparedStep {
  const { was, now, held } = given
  const changes = changesOfStates(was, given.options.changes)
  const step = { ...given, options: { ...given.options, changes } }
  const holdsNothing =
    held !== undefined && held.timers === 0 && [...held.states.values()].every((n) => n === 0)
  if (holdsNothing) {
    // What is left of deleted entries is not carried over either.
    const states = [...was.descriptors, ...(was.declared?.broadcast ?? [])]
    const dropped = states.map(({ name }) => ({ path: name, to: undefined }))
    return { findings: [finding(step, '', 'kept', 'it holds nothing')], changes: dropped }
  }
  const fatal = maxParallelismOf(step) ?? kindOf(step)
  if (fatal !== undefined) return { findings: [fatal], changes: [] }
  const states = compareStates(step, was.descriptors, now.states)
  const broadcast = compareStates(step, was.declared?.broadcast ?? [], now.declared.broadcast)
  return {
    findings: distinct([
      ...keysOf(step),
      ...settingsOf(given),
      ...states.findings,
      ...broadcast.findings,
    ]),
    changes: [...states.changes, ...broadcast.changes],
  }
}

/** What several states hold of one aggregate is said once. */
function distinct(findings: readonly Finding[]): readonly Finding[] {
  return [...new Map(findings.map((each) => [JSON.stringify(each), each])).values()]
}

function maxParallelismOf(step: StepComparison): Finding | undefined {
  const { was, now, uid, checkpoint } = step
  if (was.maxParallelism === now.maxParallelism) return undefined
  const holdsKeys = was.subtasks.some(({ chain }) => chain.length > 0)
  if (!holdsKeys) return undefined
  return refused(step, 'maxParallelism', `was ${was.maxParallelism}, now ${now.maxParallelism}`, {
    code: 'STATE_MAX_PARALLELISM',
    message: `"${uid}" had maxParallelism ${was.maxParallelism} in checkpoint ${checkpoint}, now ${now.maxParallelism}`,
    hint: `Set it back to ${was.maxParallelism}: it is fixed for a job's life. Or lose the state of the step knowingly with ${flagText('--drop-state', uid)}.`,
  })
}

function kindOf(step: StepComparison): Finding | undefined {
  const { was, now, uid, checkpoint } = step
  if (was.kind === now.kind) return undefined
  if (PROCESS_KINDS.has(was.kind) && PROCESS_KINDS.has(now.kind)) return undefined
  return refused(step, 'step', `was ${was.kind}, now ${now.kind}`, {
    code: 'STATE_SCHEMA_CHANGED',
    message: `"${uid}" was of kind ${was.kind} in checkpoint ${checkpoint}, now ${now.kind}`,
    hint: `Give the new step a uid of its own, or lose the state of the old one knowingly with ${flagText('--drop-state', uid)}.`,
  })
}

function keysOf(step: StepComparison): readonly Finding[] {
  const { was, now, uid, options, checkpoint } = step
  const before = was.declared?.keys ?? []
  const found: Finding[] = []
  for (const [input, old] of before.entries()) {
    const key = now.declared.keys[input]
    if (old === null || key === undefined || key === null || isSameKey(old, key)) continue
    const [wasText, nowText] = [keyText(old), keyText(key)]
    const note = `was ${wasText}, now ${nowText}`
    if (options.isKept) {
      found.push(finding(step, 'key', 'kept', note))
      continue
    }
    const part = before.length > 1 ? `key of input ${input}` : 'key'
    found.push(
      refused(step, part, note, {
        code: 'STATE_KEY_CHANGED',
        message: `"${uid}" was keyed by ${wasText} in checkpoint ${checkpoint}, now by ${nowText}: its state would not be found again`,
        hint: `Key it as before, or lose its state knowingly with ${flagText('--drop-state', uid)}. If every record has the same key as before, only written in another way, say so with ${flagText('--keep-state', uid)}.`,
      }),
    )
  }
  return found
}

function isSameKey(old: KeyDeclaration, now: KeyDeclaration): boolean {
  if (old.type !== now.type || old.fields.length !== now.fields.length) return false
  return old.fields.every((field, index) => {
    const [before, after] = [old.kinds[index] ?? null, now.kinds[index] ?? null]
    return field === now.fields[index] && (before === null || after === null || before === after)
  })
}

function keyText({ type, fields, kinds }: KeyDeclaration): string {
  if (type === 'function') return 'a function'
  const parts = fields.map((field, index) => {
    const kind = kinds[index] ?? null
    return `"${field}"${kind === null ? '' : ` (${kind})`}`
  })
  return type === 'field' ? parts[0]! : `[${parts.join(', ')}]`
}
