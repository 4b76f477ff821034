import { StreamError } from '../../engine/index.ts'
import type { Change, SchemaData } from '../../engine/index.ts'
import { inOwnUnits } from './debezium-units.ts'
import { formatDefinition, formatOf } from './format.ts'
import type { Format } from './format.ts'
import type { FinerTimes } from './iso-time.ts'
import { ExactNumber } from './json-exact.ts'
import { JsonDecoder, JsonEncoder } from './json-format.ts'
import { compileReading } from './json-reading.ts'
import type { Convert } from './json-numbers.ts'
import { shown } from './unfit.ts'

/**
 * Change events of Debezium, with or without their schema around them. `c` and `r` insert; `u`
 * gives the old row as -U where the event has one, then the new one as +U; `d` deletes the old row.
 * Tombstones (empty records) and messages (`m`) give nothing. Where the schema is there, times and
 * decimals are read in the units that it states; without it a time is a number of milliseconds.
 */
export function debezium<V>(row: Format<V>): Format<Change<V>> {
  const inner = formatDefinition(row)
  if (inner.kind !== 'json') {
    throw new StreamError('OPTION_INVALID', `debezium of the format "${inner.kind}"`, {
      hint: 'Debezium writes JSON here: debezium(json(schema)).',
    })
  }
  const schema: SchemaData = {
    kind: 'struct',
    fields: [
      { name: 'kind', schema: { kind: 'utf8', oneOf: ['+I', '-U', '+U', '-D'] } },
      { name: 'row', schema: inner.schema },
    ],
  }
  const { finerThanMs: finer = 'refuse' } = inner.parameters as { finerThanMs?: FinerTimes }
  return formatOf<Change<V>>({
    kind: 'debezium',
    parameters: { row: inner.kind, ...(finer === 'refuse' ? {} : { finerThanMs: finer }) },
    schema,
    framing: inner.framing,
    createDecoder: () => new ChangeDecoder(inner.schema, finer),
    createEncoder: (owner) => new JsonEncoder(schema, owner),
  })
}

class ChangeDecoder extends JsonDecoder {
  override readonly many = true

  constructor(row: SchemaData, finer: FinerTimes) {
    super(row, finer, (options) => changes(row, compileReading(row, options), finer))
  }

  override decode(bytes: Uint8Array, start: number, end: number): unknown {
    return start === end ? [] : super.decode(bytes, start, end)
  }
}

function changes(schema: SchemaData, convert: Convert, finer: FinerTimes): Convert {
  return (value) => {
    if (value === null) return []
    const outer = objectOf(value)
    const event = outer['payload'] === undefined ? outer : outer['payload']
    if (event === null) return []
    const { op, before, after } = objectOf(event)
    const row = (image: unknown, name: string): unknown => {
      if (image !== null && image !== undefined) {
        const stated = statedOf(outer['schema'], name)
        return convert(inOwnUnits(image, schema, stated, name, finer), name)
      }
      throw new StreamError('RECORD_MALFORMED', `an event with op ${shown(op)} has no "${name}"`, {
        hint: 'Let the database log whole rows (in PostgreSQL: REPLICA IDENTITY FULL).',
      })
    }
    switch (op) {
      case 'c':
      case 'r':
        return [{ kind: '+I', row: row(after, 'after') }]
      case 'u': {
        const updated = { kind: '+U', row: row(after, 'after') }
        const known = before !== null && before !== undefined
        return known ? [{ kind: '-U', row: row(before, 'before') }, updated] : [updated]
      }
      case 'd':
        return [{ kind: '-D', row: row(before, 'before') }]
      case 'm':
        return []
      case undefined:
        throw new StreamError('RECORD_MALFORMED', `a change event has no "op": ${shown(event)}`, {
          hint: 'Read whole change events: leave out ExtractNewRecordState, and topics of transaction metadata.',
        })
      default:
        throw new StreamError(
          'RECORD_MALFORMED',
          op === undefined
            ? 'a change event has no "op"'
            : `a change event has the op ${shown(op)}`,
          {
            hint: 'Change events have an "op" of c, r, u or d; a truncated table cannot be followed.',
          },
        )
    }
  }
}

/** What the schema around an event says of one of its fields. */
function statedOf(schema: unknown, name: string): unknown {
  if (typeof schema !== 'object' || schema === null) return undefined
  const { fields } = schema as { readonly fields?: unknown }
  if (!Array.isArray(fields)) return undefined
  return (fields as readonly ({ readonly field?: unknown } | null)[]).find(
    (each) => each?.field === name,
  )
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  if (isObject && !(value instanceof ExactNumber)) {
    return value as Readonly<Record<string, unknown>>
  }
  throw new StreamError('RECORD_MALFORMED', `a change event is an object, found ${shown(value)}`, {
    hint: 'Read a topic of whole change events, written as JSON.',
  })
}
