import type { Json } from '../base/json.ts'
import type { Committable } from '../operator/sink.ts'
import type { StateDescriptor } from '../state/state.ts'
import { compareCommittables } from './committables.ts'
import type { CheckpointManifest, Lineage, StagedCopy } from './manifest.ts'
import type {
  EnumeratorSplit,
  FileReference,
  KeyDeclaration,
  OperatorState,
  OperatorSubtaskState,
  SinkState,
  SourceState,
  SplitState,
  StepDeclaration,
} from './snapshot.ts'

/** Why a value is not a manifest: `operators[0].subtasks is no list`. */
export class Malformed extends Error {}

/** Returns `value` as a manifest, or throws Malformed. Reads every field that it names. */
export function checkManifest(value: unknown): CheckpointManifest {
  const at = object(value, 'the manifest')
  const format = integer(at, 'format')
  if (format !== 1) throw new Malformed(`its format is ${format}, this version reads format 1`)
  const operators = list(at, 'operators', operatorState)
  const sources = list(at, 'sources', sourceState)
  const sinks = list(at, 'sinks', sinkState)
  unique(operators, 'operators')
  unique(sources, 'sources')
  unique(sinks, 'sinks')
  return {
    format: 1,
    job: text(at, 'job'),
    lineage: lineage(at.fields['lineage'], 'lineage'),
    checkpointId: count(at, 'checkpointId'),
    instance: text(at, 'instance'),
    createdAtMs: finite(at, 'createdAtMs'),
    planHash: text(at, 'planHash'),
    parameters: object(at.fields['parameters'], 'parameters').fields as Record<string, Json>,
    final: truth(at, 'final'),
    drained: truth(at, 'drained'),
    counters: counters(at.fields['counters']),
    operators,
    sources,
    sinks,
    staged: list(at, 'staged', stagedCopy),
  }
}

export function checkLineage(value: unknown): Lineage {
  return lineage(value, 'lineage')
}

function lineage(value: unknown, name: string): Lineage {
  const at = object(value, name)
  const parent = at.fields['parent'] === null ? null : text(at, 'parent')
  const parentCheckpoint =
    at.fields['parentCheckpoint'] === null ? null : count(at, 'parentCheckpoint')
  return { id: text(at, 'id'), parent, parentCheckpoint }
}

function counters(value: unknown): Record<string, number> {
  const at = object(value, 'counters')
  for (const name of Object.keys(at.fields)) finite(at, name)
  return at.fields as Record<string, number>
}

function operatorState(value: unknown, name: string): OperatorState {
  const at = object(value, name)
  const parallelism = count(at, 'parallelism')
  const subtasks = list(at, 'subtasks', subtaskState)
  if (subtasks.length !== parallelism) throw new Malformed(`${name} has not all its subtasks`)
  return {
    uid: text(at, 'uid'),
    kind: text(at, 'kind'),
    parallelism,
    maxParallelism: count(at, 'maxParallelism'),
    descriptors: list(at, 'descriptors', descriptor),
    codecVersion: count(at, 'codecVersion'),
    ...(at.fields['declared'] === undefined
      ? {}
      : { declared: declaration(at.fields['declared'], `${name}.declared`) }),
    subtasks,
  }
}

function declaration(value: unknown, name: string): StepDeclaration {
  const at = object(value, name)
  return {
    keys: list(at, 'keys', (key, path) => (key === null ? null : keyDeclaration(key, path))),
    broadcast: list(at, 'broadcast', descriptor),
    settings: object(at.fields['settings'], `${name}.settings`).fields as Record<string, Json>,
  }
}

function keyDeclaration(value: unknown, name: string): KeyDeclaration {
  const at = object(value, name)
  const type = text(at, 'type')
  if (type !== 'field' && type !== 'fields' && type !== 'function') {
    throw new Malformed(`${name}.type is "${type}"`)
  }
  return {
    type,
    fields: list(at, 'fields', word),
    kinds: list(at, 'kinds', (kind, path) => (kind === null ? null : word(kind, path))),
  }
}

function word(value: unknown, name: string): string {
  if (typeof value !== 'string') throw new Malformed(`${name} is no text`)
  return value
}

function subtaskState(value: unknown, name: string): OperatorSubtaskState {
  const at = object(value, name)
  const chain = list(at, 'chain', fileReference)
  const watermarkMs = integer(at, 'watermarkMs')
  if (at.fields['broadcast'] === undefined) return { chain, watermarkMs }
  const copy = object(at.fields['broadcast'], `${name}.broadcast`)
  const hash = text(copy, 'hash')
  if (copy.fields['file'] === undefined) return { chain, watermarkMs, broadcast: { hash } }
  const file = fileReference(copy.fields['file'], `${name}.broadcast.file`)
  return { chain, watermarkMs, broadcast: { file, hash } }
}

function descriptor(value: unknown, name: string): StateDescriptor {
  const at = object(value, name)
  const type = text(at, 'type')
  text(at, 'name')
  text(object(at.fields['value'], `${name}.value`), 'kind')
  if (type === 'map') text(object(at.fields['key'], `${name}.key`), 'kind')
  else if (type !== 'value' && type !== 'list') throw new Malformed(`${name} is a "${type}"`)
  return value as StateDescriptor
}

function sourceState(value: unknown, name: string): SourceState {
  const at = object(value, name)
  return {
    uid: text(at, 'uid'),
    kind: text(at, 'kind'),
    complete: truth(at, 'complete'),
    enumerated: list(at, 'enumerated', enumeratorSplit),
    splits: list(at, 'splits', splitState),
  }
}

function enumeratorSplit(value: unknown, name: string): EnumeratorSplit {
  const at = object(value, name)
  return { id: text(at, 'id'), index: count(at, 'index'), start: json(at, 'start') }
}

function splitState(value: unknown, name: string): SplitState {
  const at = object(value, name)
  return {
    id: text(at, 'id'),
    position: json(at, 'position'),
    finished: truth(at, 'finished'),
    watermarkMs: integer(at, 'watermarkMs'),
    ...(at.fields['generator'] === undefined ? {} : { generator: json(at, 'generator') }),
  }
}

function sinkState(value: unknown, name: string): SinkState {
  const at = object(value, name)
  const uid = text(at, 'uid')
  const committables = list(at, 'committables', committable)
  for (const [index, item] of committables.entries()) {
    const before = committables[index - 1]
    if (item.uid !== uid) throw new Malformed(`${name} holds a committable of "${item.uid}"`)
    if (before !== undefined && compareCommittables(before, item) >= 0) {
      throw new Malformed(`${name} has its committables out of order`)
    }
  }
  const marker = at.fields['marker'] === undefined ? {} : { marker: text(at, 'marker') }
  return { uid, kind: text(at, 'kind'), ...marker, committables }
}

function committable(value: unknown, name: string): Committable {
  const at = object(value, name)
  return {
    uid: text(at, 'uid'),
    bornAt: count(at, 'bornAt'),
    subtask: count(at, 'subtask'),
    sequence: count(at, 'sequence'),
    effect: json(at, 'effect'),
  }
}

function stagedCopy(value: unknown, name: string): StagedCopy {
  const at = object(value, name)
  return { original: text(at, 'original'), file: fileReference(at.fields['file'], `${name}.file`) }
}

/** Letters and digits first in each part: never `..`, never absolute. A savepoint is input too. */
const RELATIVE = /^[A-Za-z0-9][A-Za-z0-9._-]*(\/[A-Za-z0-9][A-Za-z0-9._-]*)*$/

function fileReference(value: unknown, name: string): FileReference {
  const at = object(value, name)
  const path = text(at, 'path')
  const sha256 = text(at, 'sha256')
  if (!RELATIVE.test(path)) throw new Malformed(`${name}.path is "${path}"`)
  if (!/^[0-9a-f]{64}$/.test(sha256)) throw new Malformed(`${name}.sha256 is "${sha256}"`)
  return { path, bytes: count(at, 'bytes'), sha256 }
}

/** A value that is an object, with the words for it in messages. */
interface Place {
  readonly fields: Readonly<Record<string, unknown>>
  readonly name: string
}

function object(value: unknown, name: string): Place {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Malformed(`${name} is no object`)
  }
  return { fields: value as Readonly<Record<string, unknown>>, name }
}

function list<T>(at: Place, name: string, read: (value: unknown, name: string) => T): T[] {
  const value = at.fields[name]
  if (!Array.isArray(value)) throw new Malformed(`${at.name}.${name} is no list`)
  return value.map((item: unknown, index) => read(item, `${at.name}.${name}[${index}]`))
}

function text(at: Place, name: string): string {
  const value = at.fields[name]
  if (typeof value !== 'string') throw new Malformed(`${at.name}.${name} is no text`)
  return value
}

function truth(at: Place, name: string): boolean {
  const value = at.fields[name]
  if (typeof value !== 'boolean')
    throw new Malformed(`${at.name}.${name} is neither true nor false`)
  return value
}

function finite(at: Place, name: string): number {
  const value = at.fields[name]
  if (typeof value !== 'number') throw new Malformed(`${at.name}.${name} is no number`)
  return value
}

function integer(at: Place, name: string): number {
  const value = finite(at, name)
  if (!Number.isSafeInteger(value)) throw new Malformed(`${at.name}.${name} is ${value}`)
  return value
}

function count(at: Place, name: string): number {
  const value = integer(at, name)
  if (value < 0) throw new Malformed(`${at.name}.${name} is ${value}`)
  return value
}

function json(at: Place, name: string): Json {
  const value = at.fields[name]
  if (value === undefined) throw new Malformed(`${at.name}.${name} is missing`)
  return value as Json
}

function unique(states: readonly { readonly uid: string }[], name: string): void {
  const uids = new Set(states.map((state) => state.uid))
  if (uids.size !== states.length) throw new Malformed(`${name} name a uid twice`)
}
