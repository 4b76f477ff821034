/** How the key of a record is found, by generated code where fields are named. */
import type { KeySelector } from './keys.ts'
import { StreamError } from '../base/errors.ts'

/**
 * Finds the key of a record. A field gives its value, fields give an array of their values.
 * The key is checked to be a value at all; what lies inside arrays and objects is checked when
 * the key is hashed or encoded.
 */
export function selectKey(selector: KeySelector): (row: unknown) => unknown {
  switch (selector.type) {
    case 'field':
      return fieldSelector(selector.field)
    case 'fields':
      return fieldsSelector(selector.fields)
    case 'function':
      return functionSelector(selector.select as (record: unknown) => unknown)
    default:
      return selector satisfies never
  }
}

/** JavaScript that reads field `name` of the object `record`; names are data, never code. */
export function fieldExpression(record: string, name: string): string {
  const quoted = JSON.stringify(name)
  // Every object has `toString` and the like; what counts is its own.
  if (!(name in Object.prototype)) return `${record}[${quoted}]`
  return `(Object.hasOwn(${record},${quoted})?${record}[${quoted}]:undefined)`
}

/** Whether a value can be a key as far as one look tells. */
export function isKeyValue(value: unknown): boolean {
  switch (typeof value) {
    case 'undefined':
    case 'function':
    case 'symbol':
      return false
    case 'object':
      return value === null || !('then' in value && typeof value.then === 'function')
    default:
      return true
  }
}

/** The error of a record whose key is no key. `where` names the field or the function. */
export function invalidKey(where: string, value: unknown): StreamError {
  if (typeof value === 'object' && value !== null && 'then' in value) {
    return new StreamError('STEP_ASYNC', `the key of a record, ${where}, is a promise`, {
      hint: 'Make the key known before keyBy: a function of keyBy is synchronous.',
    })
  }
  const found = describeValue(value)
  return new StreamError('KEY_INVALID', `the key of a record, ${where}, is ${found}`, {
    hint: 'A key is null, boolean, number, bigint, string, Uint8Array, or a list or object of these.',
  })
}

function describeValue(value: unknown): string {
  if (typeof value === 'object' && value !== null) {
    const prototype = Object.getPrototypeOf(value) as { constructor?: { name?: string } } | null
    return `an object of class "${prototype?.constructor?.name ?? 'unknown'}"`
  }
  return typeof value === 'undefined' ? 'undefined' : `a ${typeof value}`
}

function fieldSelector(field: string): (row: unknown) => unknown {
  const where = `field "${field}"`
  const invalid = (value: unknown): StreamError => invalidKey(where, value)
  const source = `return function keyOf(row) {
    if (row === null || row === undefined) throw invalid(undefined)
    const key = ${fieldExpression('row', field)}
    if (typeof key === 'string' || typeof key === 'number') return key
    if (!isKeyValue(key)) throw invalid(key)
    return key
  }`
  return compile(source, ['invalid', 'isKeyValue'], [invalid, isKeyValue])
}

function fieldsSelector(fields: readonly string[]): (row: unknown) => unknown {
  const invalid = (value: unknown, index: number): StreamError =>
    invalidKey(`field "${fields[index]}"`, value)
  const reads = fields.map(
    (field, index) => `const key${index} = ${fieldExpression('row', field)}
    if (!isKeyValue(key${index})) throw invalid(key${index}, ${index})`,
  )
  const source = `return function keyOf(row) {
    if (row === null || row === undefined) throw invalid(undefined, 0)
    ${reads.join('\n')}
    return [${fields.map((_, index) => `key${index}`).join(', ')}]
  }`
  return compile(source, ['invalid', 'isKeyValue'], [invalid, isKeyValue])
}

function functionSelector(select: (record: unknown) => unknown): (row: unknown) => unknown {
  return (row) => {
    const key = select(row)
    if (typeof key === 'string' || typeof key === 'number') return key
    if (!isKeyValue(key)) throw invalidKey('as its function gave it', key)
    return key
  }
}

function compile(
  source: string,
  names: readonly string[],
  values: readonly unknown[],
): (row: unknown) => unknown {
  const make = new Function(...names, source) as (...given: unknown[]) => (row: unknown) => unknown
  return make(...values)
}
