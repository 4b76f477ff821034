/**
 * Whether state of an older job fits the present one, and how its values are then read.
 *
 * E1. A struct may gain fields that are nullable (they read as null). Fields that it has lost are
 *     read over; whether they may be lost is decided before (`lostFields`).
 * E2. A value may be widened: to nullable; int32 to int64, float64; int64 as a number to bigint or
 *     float64; timestamp to float64; date and decimal to utf8; a decimal to more digits before its
 *     point; anything to packed.
 * E3. A state that is new is empty. One that is gone was dropped knowingly: its cells are skipped,
 *     and the first snapshot writes files without them.
 */
import { StreamError } from '../base/errors.ts'
import type { SchemaData } from '../stream/schema.ts'
import type { FieldReader, ValueReader } from '../stream/value-codec.ts'
import { listReader, nullableReader, structReader, valueReader } from '../stream/value-codec.ts'
import type { StateDescriptor } from './state.ts'

export interface StateMismatch {
  /** The state, and where in it: `clicks`, `visit.pages[]`. */
  readonly path: string
  readonly was: string
  readonly now: string
}

/** The first state of `old` that `now` cannot read, or undefined. Pure. */
export function stateMismatch(
  old: readonly StateDescriptor[],
  now: readonly StateDescriptor[],
): StateMismatch | undefined {
  for (const before of old) {
    const after = now.find((candidate) => candidate.name === before.name)
    const mismatch = after === undefined ? undefined : descriptorMismatch(before, after)
    if (mismatch !== undefined) return mismatch
  }
  return undefined
}

/** Paths of the fields that `before` holds and `after` does not have: they are read over. Pure. */
export function lostFields(before: StateDescriptor, after: StateDescriptor): readonly string[] {
  const lost: string[] = []
  collectLost(before.value, after.value, before.name, lost)
  return lost
}

function collectLost(old: SchemaData, now: SchemaData, path: string, lost: string[]): void {
  if (now.kind === 'nullable') {
    collectLost(old.kind === 'nullable' ? old.of : old, now.of, path, lost)
  } else if (old.kind === 'list' && now.kind === 'list') {
    collectLost(old.item, now.item, `${path}[]`, lost)
  } else if (old.kind === 'struct' && now.kind === 'struct') {
    for (const { name, schema } of old.fields) {
      const target = now.fields.find((field) => field.name === name)
      if (target === undefined) lost.push(`${path}.${name}`)
      else collectLost(schema, target.schema, `${path}.${name}`, lost)
    }
  }
}

/** Throws STATE_SCHEMA_CHANGED, naming operator and state, when `now` cannot read `old`. */
export function checkStateFits(
  uid: string,
  old: readonly StateDescriptor[],
  now: readonly StateDescriptor[],
): void {
  const mismatch = stateMismatch(old, now)
  if (mismatch === undefined) return
  const { path, was, now: is } = mismatch
  throw new StreamError(
    'STATE_SCHEMA_CHANGED',
    `"${uid}".${path} was ${was} in the checkpoint, now ${is}`,
    {
      hint: `Declare it as it was, or lose what it holds knowingly with --drop-state ${uid}.`,
      place: { operator: uid },
    },
  )
}

/** Reads values written with `old` as values of `now`. They fit: `stateMismatch` has said so. */
export function evolvedReader(old: SchemaData, now: SchemaData): ValueReader {
  const evolved = evolve(old, now, '')
  if (typeof evolved === 'function') return evolved
  throw new StreamError('ASSERTION_FAILED', `state that does not fit is read: ${evolved.path}`)
}

/** Equal in all that decides how values are written. */
export function isSameSchema(old: SchemaData, now: SchemaData): boolean {
  return JSON.stringify(old) === JSON.stringify(now)
}

function descriptorMismatch(
  before: StateDescriptor,
  after: StateDescriptor,
): StateMismatch | undefined {
  const path = before.name
  if (before.type !== after.type) {
    return { path, was: `${before.type} state`, now: `${after.type} state` }
  }
  if (before.type === 'map' && after.type === 'map' && !isSameKey(before.key, after.key)) {
    return { path: `${path} (key)`, was: nameOf(before.key), now: nameOf(after.key) }
  }
  const evolved = evolve(before.value, after.value, path)
  return typeof evolved === 'function' ? undefined : evolved
}

/** The same key has the same canonical bytes under both. */
function isSameKey(old: SchemaData, now: SchemaData): boolean {
  return isSameSchema(old, now) || (isNumber(old) && isNumber(now) && old.kind === 'int32')
}

function isNumber(schema: SchemaData): boolean {
  if (schema.kind === 'int64') return schema.as === 'number'
  return schema.kind === 'int32' || schema.kind === 'float64' || schema.kind === 'timestamp'
}

function evolve(old: SchemaData, now: SchemaData, path: string): ValueReader | StateMismatch {
  if (isSameSchema(old, now) || now.kind === 'packed') return valueReader(old)
  if (now.kind === 'nullable') {
    if (old.kind !== 'nullable') return evolve(old, now.of, path)
    const inner = evolve(old.of, now.of, path)
    return typeof inner === 'function' ? nullableReader(inner) : inner
  }
  if (old.kind === 'list' && now.kind === 'list') {
    const item = evolve(old.item, now.item, `${path}[]`)
    return typeof item === 'function' ? listReader(item) : item
  }
  if (old.kind === 'struct' && now.kind === 'struct') return evolveStruct(old, now, path)
  return evolveScalar(old, now) ?? { path, was: nameOf(old), now: nameOf(now) }
}

function evolveScalar(old: SchemaData, now: SchemaData): ValueReader | undefined {
  if (old.kind === 'utf8' && now.kind === 'utf8') return valueReader(old)
  if (old.kind === 'decimal' && now.kind === 'decimal') {
    return old.scale === now.scale && old.precision <= now.precision ? valueReader(old) : undefined
  }
  if ((old.kind === 'date' || old.kind === 'decimal') && now.kind === 'utf8')
    return valueReader(old)
  const isInteger = old.kind === 'int32' || (old.kind === 'int64' && old.as === 'number')
  if (now.kind === 'int64' && isInteger) {
    const read = valueReader(old)
    return now.as === 'number' ? read : (reader) => BigInt(read(reader) as number)
  }
  if (now.kind === 'float64' && (isInteger || old.kind === 'timestamp')) return valueReader(old)
  return undefined
}

function evolveStruct(
  old: Extract<SchemaData, { kind: 'struct' }>,
  now: Extract<SchemaData, { kind: 'struct' }>,
  path: string,
): ValueReader | StateMismatch {
  const fields: FieldReader[] = []
  for (const field of old.fields) {
    const target = now.fields.find((candidate) => candidate.name === field.name)
    if (target === undefined) {
      fields.push({ name: undefined, read: valueReader(field.schema) })
      continue
    }
    const evolved = evolve(field.schema, target.schema, `${path}.${field.name}`)
    if (typeof evolved !== 'function') return evolved
    fields.push({ name: field.name, read: evolved })
  }
  for (const field of now.fields) {
    if (old.fields.some((candidate) => candidate.name === field.name)) continue
    if (field.schema.kind !== 'nullable') {
      return { path: `${path}.${field.name}`, was: 'absent', now: nameOf(field.schema) }
    }
    fields.push({ name: field.name, read: () => null })
  }
  return structReader(inOrderOf(fields, now))
}

/**
 * The bytes are in the old order, the fields of the row shall be in the new one: rows of one state
 * have one shape. New fields take no bytes, so only the row needs putting in order.
 */
function inOrderOf(
  fields: readonly FieldReader[],
  now: Extract<SchemaData, { kind: 'struct' }>,
): readonly FieldReader[] {
  const kept = fields.filter((field) => field.name !== undefined)
  const inOrder = kept.every((field, index) => field.name === now.fields[index]!.name)
  if (inOrder) return fields
  const values = new Map<string, unknown>()
  const gather = fields.map((field) => ({
    name: undefined,
    read: (reader: Parameters<ValueReader>[0]) => {
      const value = field.read(reader)
      if (field.name !== undefined) values.set(field.name, value)
      return value
    },
  }))
  const give = now.fields.map((field) => ({ name: field.name, read: () => values.get(field.name) }))
  return [...gather, ...give]
}

function nameOf(schema: SchemaData): string {
  switch (schema.kind) {
    case 'nullable':
      return `nullable ${nameOf(schema.of)}`
    case 'list':
      return `a list of ${nameOf(schema.item)}`
    case 'int64':
      return schema.as === 'bigint' ? 'int64' : 'int64 as number'
    case 'decimal':
      return `decimal(${schema.precision}, ${schema.scale})`
    default:
      return schema.kind
  }
}
