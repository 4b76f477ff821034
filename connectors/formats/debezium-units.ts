/**
 * The units that the schema around a change event states: Debezium's and Kafka Connect's own names
 * for times and decimals.
 */
import { StreamError } from '../../engine/index.ts'
import type { SchemaData } from '../../engine/index.ts'
import { floorDivide, formatDecimal, parseDecimal } from './decimal.ts'
import type { FinerTimes } from './iso-time.ts'
import { ExactNumber } from './json-exact.ts'
import { INEXACT } from './json-numbers.ts'
import { describe, shown, unfit } from './unfit.ts'

type Stated = Readonly<Record<string, unknown>>

const NANOS_PER_MS = 1_000_000n
const NANOS_PER_DAY = 86_400_000n * NANOS_PER_MS

/** Names of numbers that say a moment, with the nanoseconds of their unit. */
const MOMENTS: ReadonlyMap<string, bigint> = new Map([
  ['io.debezium.time.Date', NANOS_PER_DAY],
  ['io.debezium.time.Timestamp', NANOS_PER_MS],
  ['io.debezium.time.MicroTimestamp', 1_000n],
  ['io.debezium.time.NanoTimestamp', 1n],
  ['org.apache.kafka.connect.data.Date', NANOS_PER_DAY],
  ['org.apache.kafka.connect.data.Timestamp', NANOS_PER_MS],
])

/** Names of numbers that say no moment: a time of day, a duration, a year. */
const NO_MOMENT =
  /^(?:io\.debezium\.time\.(?:Micro|Nano)?(?:Time|Duration|Year|Interval)|org\.apache\.kafka\.connect\.data\.Time)$/

const DECIMAL = 'org.apache.kafka.connect.data.Decimal'
const VARIABLE_DECIMAL = 'io.debezium.data.VariableScaleDecimal'

/**
 * A value as JSON readers of `declared` take it: times in milliseconds, days since 1970, decimals
 * as text. `stated` is what the event's schema says of it. Columns of plain numbers get the number
 * as it is.
 */
export function inOwnUnits(
  value: unknown,
  declared: SchemaData,
  stated: unknown,
  field: string,
  finer: FinerTimes,
): unknown {
  if (value === null || value === undefined || !isObject(stated)) return value
  switch (declared.kind) {
    case 'nullable':
      return inOwnUnits(value, declared.of, stated, field, finer)
    case 'struct':
      return structInOwnUnits(value, declared, stated, field, finer)
    case 'list': {
      const items = stated['items']
      if (!Array.isArray(value) || !isObject(items)) return value
      return (value as readonly unknown[]).map((item, index) =>
        inOwnUnits(item, declared.item, items, `${field}[${index}]`, finer),
      )
    }
    case 'timestamp':
    case 'date':
      return timeInOwnUnit(value, declared, stated['name'], field, finer)
    case 'decimal':
    case 'utf8':
      return decimalAsText(value, declared, stated, field)
    default:
      return value
  }
}

function structInOwnUnits(
  value: unknown,
  declared: Extract<SchemaData, { kind: 'struct' }>,
  stated: Stated,
  field: string,
  finer: FinerTimes,
): unknown {
  const fields = stated['fields']
  if (!isObject(value) || !Array.isArray(fields)) return value
  let own = value
  for (const { name, schema } of declared.fields) {
    if (!Object.hasOwn(value, name)) continue
    const said = (fields as readonly unknown[]).find(
      (each) => isObject(each) && each['field'] === name,
    )
    const before = value[name]
    const after = inOwnUnits(before, schema, said, `${field}.${name}`, finer)
    if (after === before) continue
    if (own === value) own = { ...value }
    ;(own as Record<string, unknown>)[name] = after
  }
  return own
}

function timeInOwnUnit(
  value: unknown,
  declared: SchemaData,
  name: unknown,
  field: string,
  finer: FinerTimes,
): unknown {
  if (typeof name !== 'string') return value
  if (typeof value === 'string') {
    return name === 'io.debezium.time.IsoDate' ? value.replace(/Z$/, '') : value
  }
  if (NO_MOMENT.test(name)) {
    throw stated(field, declared, value, name, 'It is no moment in time: declare it int64().')
  }
  const unit = MOMENTS.get(name)
  if (unit === undefined) return value
  const whole = wholeOf(value)
  if (whole === undefined) throw unfit(field, declared, value)
  const own = declared.kind === 'date' ? NANOS_PER_DAY : NANOS_PER_MS
  const nanos = whole * unit
  const units = floorDivide(nanos, own)
  if (units * own === nanos) return Number(units)
  if (declared.kind === 'timestamp' && finer === 'cut') return Number(units)
  throw stated(
    field,
    declared,
    value,
    name,
    declared.kind === 'date'
      ? 'It is not the beginning of a day: declare it timestamp().'
      : "A timestamp keeps milliseconds: to cut what is finer, say json(schema, { finerThanMs: 'cut' }); to keep it, declare int64().",
  )
}

function wholeOf(value: unknown): bigint | undefined {
  if (value instanceof ExactNumber) return parseDecimal(value.text, 20, 0)
  if (typeof value !== 'number') return undefined
  if (!Number.isSafeInteger(value)) throw INEXACT
  return BigInt(value)
}

function decimalAsText(value: unknown, declared: SchemaData, said: Stated, field: string): unknown {
  if (said['name'] === DECIMAL && typeof value === 'string') {
    const parameters = said['parameters']
    const scale = isObject(parameters) ? Number(parameters['scale']) : NaN
    return unscaledText(value, scale) ?? refuse(value, declared, DECIMAL, field)
  }
  if (said['name'] === VARIABLE_DECIMAL && isObject(value)) {
    const scale = wholeOf(value['scale'])
    const text = unscaledText(value['value'], scale === undefined ? NaN : Number(scale))
    return text ?? refuse(value, declared, VARIABLE_DECIMAL, field)
  }
  return value
}

const SCALE_MAX = 1_000
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** The number whose unscaled value stands in base64, big-endian, two's complement. */
function unscaledText(base64: unknown, scale: number): string | undefined {
  if (typeof base64 !== 'string' || base64 === '' || !BASE64.test(base64)) return undefined
  if (!Number.isInteger(scale) || Math.abs(scale) > SCALE_MAX) return undefined
  const bytes = Buffer.from(base64, 'base64')
  const unsigned = BigInt(`0x${bytes.toString('hex')}`)
  const unscaled = BigInt.asIntN(8 * bytes.length, unsigned)
  return scale < 0 ? String(unscaled * 10n ** BigInt(-scale)) : formatDecimal(unscaled, scale)
}

function refuse(value: unknown, declared: SchemaData, name: string, field: string): never {
  throw stated(field, declared, value, name, 'The event does not hold what its schema says.')
}

function stated(
  field: string,
  declared: SchemaData,
  value: unknown,
  name: string,
  hint: string,
): StreamError {
  const found = `the value is ${shown(value)}, by the event's schema ${name}`
  return new StreamError('VALUE_UNFIT', `"${field}" is ${describe(declared)}, ${found}`, { hint })
}

function isObject(value: unknown): value is Stated {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof ExactNumber)
  )
}
