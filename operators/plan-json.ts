import type { Json } from '../engine/base/json.ts'

/**
 * Data of a step as it stands in the plan. What JSON does not hold is written as text with its
 * type; functions and what is undefined are left out.
 */
export function planJson(value: unknown): Json {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0) ? value : { number: numberText(value) }
    case 'bigint':
      return { bigint: String(value) }
    case 'object':
      return value === null ? null : objectJson(value)
    default:
      return null
  }
}

function numberText(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value)
}

function objectJson(value: object): Json {
  if (Array.isArray(value)) return value.map(planJson)
  if (value instanceof Uint8Array) return { binary: Buffer.from(value).toString('hex') }
  const json: Record<string, Json> = {}
  for (const [name, part] of Object.entries(value)) {
    if (part === undefined || typeof part === 'function') continue
    json[name] = planJson(part)
  }
  return json
}
