/**
 * What becomes of the states of a checkpoint when a job is changed knowingly: `--drop-state`,
 * `--rename-state`.
 *
 * A path names a state, or a field in its values: `acc`, `acc.total`, `visit.pages[].title`.
 */
import type { SchemaData } from '../stream/schema.ts'
import type { StateDescriptor } from './state.ts'

/** A rename, or with `to` undefined a drop. */
export interface StateChange {
  readonly path: string
  readonly to: string | undefined
}

/** The state as the changed job is to find it; undefined: it is dropped. Pure. */
export function changedState(
  state: StateDescriptor,
  changes: readonly StateChange[],
): StateDescriptor | undefined {
  let changed = state
  for (const { path, to } of changes) {
    if (path === state.name || to === undefined) continue
    if (!concerns(path, state.name)) continue
    changed = { ...changed, value: renamedField(changed.value, path.slice(state.name.length), to) }
  }
  const own = changes.find(({ path }) => path === state.name)
  if (own === undefined) return changed
  return own.to === undefined ? undefined : { ...changed, name: own.to }
}

/** Whether the path names this state or something in it. */
export function concerns(path: string, name: string): boolean {
  return path === name || (path.startsWith(name) && /^[.[]/.test(path.slice(name.length)))
}

/** `rest` is what follows the path to `schema`: `.total`, `[].title`. */
function renamedField(schema: SchemaData, rest: string, to: string): SchemaData {
  if (schema.kind === 'nullable') return { ...schema, of: renamedField(schema.of, rest, to) }
  if (schema.kind === 'list' && rest.startsWith('[]')) {
    return { ...schema, item: renamedField(schema.item, rest.slice(2), to) }
  }
  if (schema.kind !== 'struct') return schema
  const fields = schema.fields.map((field) => {
    if (rest === `.${field.name}`) return { ...field, name: to }
    if (!concerns(rest, `.${field.name}`)) return field
    const deeper = rest.slice(field.name.length + 1)
    return { ...field, schema: renamedField(field.schema, deeper, to) }
  })
  return { ...schema, fields }
}
