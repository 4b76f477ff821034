import type { SchemaData } from '../stream/schema.ts'
import type { StateDescriptor } from './state.ts'

/** Longer declarations are cut: an error is read on one screen. */
const CHARACTERS_MAX = 160

/** A state as a job declares it: `valueState(struct({ n: int32() }))`. */
export function declarationText(state: StateDescriptor): string {
  const key = state.type === 'map' ? `${schemaText(state.key)}, ` : ''
  const text = `${state.type}State(${key}${schemaText(state.value)})`
  return text.length <= CHARACTERS_MAX ? text : `${text.slice(0, CHARACTERS_MAX)}…`
}

function schemaText(schema: SchemaData): string {
  switch (schema.kind) {
    case 'nullable':
      return `nullable(${schemaText(schema.of)})`
    case 'list':
      return `list(${schemaText(schema.item)})`
    case 'int64':
      return schema.as === 'bigint' ? 'int64()' : "int64({ as: 'number' })"
    case 'decimal':
      return `decimal(${schema.precision}, ${schema.scale})`
    case 'struct': {
      const fields = schema.fields.map((field) => `${field.name}: ${schemaText(field.schema)}`)
      return `struct({ ${fields.join(', ')} })`
    }
    default:
      return `${schema.kind}()`
  }
}
