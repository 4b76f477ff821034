import { StreamError } from '../../engine/index.ts'
import type { Change, SchemaData } from '../../engine/index.ts'
import { formatDefinition, formatOf } from './format.ts'
import type { Format } from './format.ts'
import { JsonDecoder, JsonEncoder } from './json-format.ts'
import { compileReading } from './json-reading.ts'
import type { Convert } from './json-reading.ts'
import { shown } from './unfit.ts'

/**
 * Change events of Debezium, with or without their schema around them. `c` and `r` insert; `u`
 * gives the old row as -U where the event has one, then the new one as +U; `d` deletes the old row.
 * Tombstones (empty records) and messages (`m`) give nothing.
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
  return formatOf<Change<V>>({
    kind: 'debezium',
    parameters: { row: inner.kind },
    schema,
    framing: inner.framing,
    createDecoder: () => new ChangeDecoder(changes(compileReading(inner.schema))),
    createEncoder: (owner) => new JsonEncoder(schema, owner),
  })
}

class ChangeDecoder extends JsonDecoder {
  constructor(convert: Convert) {
    super(convert, true)
  }

  override decode(bytes: Uint8Array, start: number, end: number): unknown {
    return start === end ? [] : super.decode(bytes, start, end)
  }
}

function changes(convert: Convert): Convert {
  return (value) => {
    if (value === null) return []
    const outer = objectOf(value)
    const event = outer['payload'] === undefined ? outer : outer['payload']
    if (event === null) return []
    const { op, before, after } = objectOf(event)
    const row = (image: unknown, name: string): unknown => {
      if (image !== null && image !== undefined) return convert(image, name)
      throw new StreamError(
        'RECORD_MALFORMED',
        `an event with op "${String(op)}" has no "${name}"`,
        {
          hint: 'Let the database log whole rows (in PostgreSQL: REPLICA IDENTITY FULL).',
        },
      )
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
        throw new StreamError('RECORD_MALFORMED', `a change event has the op ${shown(op)}`, {
          hint: 'Change events have an "op" of c, r, u or d; a truncated table cannot be followed.',
        })
    }
  }
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Readonly<Record<string, unknown>>
  }
  throw new StreamError('RECORD_MALFORMED', `a change event is an object, found ${shown(value)}`, {
    hint: 'Read a topic of whole change events, written as JSON.',
  })
}
