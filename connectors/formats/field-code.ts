/** Pieces of generated code that hold for any field name. Strings stand in it as JSON. */

/** Reads a field; `hasOwn` is Object.hasOwn, as a missing "toString" would be found on the prototype. */
export function readCode(record: string, name: string): string {
  const key = JSON.stringify(name)
  const read = `${record}[${key}]`
  return name in Object.prototype ? `(hasOwn(${record}, ${key}) ? ${read} : undefined)` : read
}

/** A name in an object literal, where `__proto__: x` would set the prototype. */
export function literalName(name: string): string {
  return name === '__proto__' ? '["__proto__"]' : JSON.stringify(name)
}
