import { StreamError } from '../base/errors.ts'
import { nearest } from '../graph/suggest.ts'
import type { FitOptions } from './fit-options.ts'
import { flagText, newUid } from './fit-options.ts'
import type { JobFacts } from './job-facts.ts'
import { knownNames } from './known-names.ts'
import { formatCheckpointId } from './layout.ts'
import type { CheckpointManifest } from './manifest.ts'

/**
 * Throws USAGE for a flag that says something of a step or state which is not there: a slip of the
 * pen would else lose what it should have kept. A rename that has been made already is none.
 */
export function refuseStrayFlags(
  manifest: CheckpointManifest,
  facts: JobFacts,
  options: FitOptions,
): void {
  const { operators, sources, sinks } = manifest
  const held = new Set([...operators, ...sources, ...sinks].map(({ uid }) => uid))
  const inJob = new Set([...facts.operators.keys(), ...facts.sources.keys(), ...facts.sinks.keys()])
  const checkpoint = `checkpoint ${formatCheckpointId(manifest.checkpointId)}`
  for (const [old, uid] of Object.entries(options.renameUid)) {
    const given = flagText('--rename-uid', `${old}=${uid}`)
    if (!held.has(old) && !held.has(uid)) throw stray(given, checkpoint, 'step', old, held)
    if (!inJob.has(uid)) throw stray(given, 'the job', 'step', uid, inJob)
  }
  const known = new Set([...held, ...inJob, ...[...held].map((uid) => newUid(options, uid))])
  for (const uid of options.keepState ?? []) {
    const given = flagText('--keep-state', uid)
    if (!known.has(uid)) throw stray(given, checkpoint, 'step', uid, known)
  }
  const checkState = (flag: string, given: string, to?: string): void => {
    const at = given.indexOf(':')
    const uid = at < 0 ? given : given.slice(0, at)
    const text = flagText(flag, to === undefined ? given : `${given}=${to}`)
    if (!known.has(uid)) throw stray(text, checkpoint, 'step', uid, known)
    if (at < 0) return
    const path = given.slice(at + 1)
    const operator = operators.find((one) => one.uid === uid || newUid(options, one.uid) === uid)
    const names = operator === undefined ? [] : knownNames(operator)
    if (names.includes(path) || (to !== undefined && names.includes(renamedPath(path, to)))) return
    throw stray(text, checkpoint, `state of "${uid}" named`, path, new Set(names))
  }
  for (const [given, to] of Object.entries(options.renameState ?? {})) {
    checkState('--rename-state', given, to)
  }
  for (const given of options.dropState) checkState('--drop-state', given)
}

/** `visit.pages[].url` with `path` for its last name. */
function renamedPath(path: string, to: string): string {
  return `${path.slice(0, path.lastIndexOf('.') + 1)}${to}`
}

function stray(
  flag: string,
  where: string,
  what: string,
  name: string,
  known: ReadonlySet<string>,
): StreamError {
  const near = nearest(name, [...known])
  const names = [...known].map((each) => `"${each}"`).join(', ')
  const there = known.size === 0 ? 'There is none.' : `There are ${names}.`
  return new StreamError('USAGE', `${flag} fits nothing: ${where} has no ${what} "${name}"`, {
    hint: near === undefined ? there : `Did you mean "${near}"? ${there}`,
  })
}
