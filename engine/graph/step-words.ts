import type { Json } from '../base/json.ts'
import type { KeySelector } from '../stream/keys.ts'
import type { StreamNode } from './stream-graph.ts'
import { keyText } from './chaining.ts'
import { stateWords } from './state-words.ts'

/**
 * What a step does, with its numbers and fields, a phrase each: `windows of 1 min`, `by key "shop"`.
 * Read from the plan, so that it says what runs; a kind that is not known here is shown
 * with its parameters as they are.
 */
export function stepWords(node: StreamNode): readonly string[] {
  const words = kindWords(node.kind, asObject(node.parameters))
  const order = node.order === undefined ? [] : [ORDER_WORDS[node.order]]
  const state = stateWords(node.kind, node.states)
  return [...words, ...order, ...(state.length === 0 ? [] : [`state: ${state.join(', ')}`])]
}

const ORDER_WORDS = {
  arrival: 'records come in order of arrival',
  'event-time': 'records come in event-time order',
} as const

const MIB = 1_024 * 1_024

type Fields = Readonly<Record<string, Json | undefined>>

function kindWords(kind: string, given: Fields): readonly string[] {
  switch (kind) {
    case 'source':
      return [`reads ${placeWords(given['source'], given['options'])}`]
    case 'sink':
      return [`writes ${placeWords(given['sink'], given['options'])}`]
    case 'watermarks':
      return [timeWords(given['time']), boundWords(given)]
    case 'where':
      return [`keeps records with ${conditionText(asObject(given['predicate']))}`]
    case 'select':
      return [`fields ${columnsText(given['columns'])}`]
    case 'pick':
      return [`fields ${text(given['fields'])}`]
    case 'top-n':
      return [`the ${text(given['n'])} best by "${text(given['by'])}", ${text(given['order'])}`]
    case 'broadcast-order':
      return ['gives the copies of all subtasks one order']
    case 'interval-join':
      return [keysWords(given['keys']), betweenWords(given)]
    default:
      return keyedWords(given)
  }
}

/** Keyed steps, windows, and steps by function. */
function keyedWords(given: Fields): readonly string[] {
  const { key, keys, windows, allowedLatenessMs, aggregates, emits, sides, ...others } = given
  const { broadcast, timers, ...rest } = others
  const words: string[] = []
  if (key !== undefined) words.push(`by ${keyText(key as unknown as KeySelector)}`)
  if (keys !== undefined) words.push(keysWords(keys))
  if (windows !== undefined) words.push(windowWords(asObject(windows)))
  if (typeof allowedLatenessMs === 'number' && allowedLatenessMs > 0) {
    words.push(`late records change it for ${spanText(allowedLatenessMs)}`)
  }
  if (aggregates !== undefined) words.push(aggregatesText(aggregates))
  if (emits !== undefined) words.push(`gives ${schemaFields(emits)}`)
  const copied = Object.keys(asObject(broadcast))
  if (copied.length > 0) words.push(`each subtask has a copy of ${copied.join(', ')}`)
  if (timers === true) words.push('has timers')
  const names = Object.keys(asObject(sides))
  if (names.length > 0) words.push(`side outputs ${names.join(', ')}`)
  for (const [name, value] of Object.entries(rest)) {
    if (name === 'order') continue // Said for every process function, also where it is the default.
    if (value !== undefined && value !== null) words.push(`${name} ${text(value)}`)
  }
  return words
}

function placeWords(kind: Json | undefined, options: Json | undefined): string {
  const { path, directory, topics, brokers, format, ...rest } = asObject(options)
  const place = path ?? directory ?? topics
  const parts = [`${text(kind)}${place === undefined ? '' : ` ${text(place)}`}`]
  if (brokers !== undefined) parts.push(`brokers ${text(brokers)}`)
  if (format !== undefined) parts.push(`format ${formatText(format)}`)
  for (const [name, value] of Object.entries(rest)) {
    if (value === undefined || value === null || value === false) continue
    const words = OPTION_WORDS[name]?.(value) ?? (value === true ? name : `${name} ${text(value)}`)
    if (words !== '') parts.push(words)
  }
  return parts.join(', ')
}

/** Options whose names say little to a reader; empty: the default, of which there is nothing to say. */
const OPTION_WORDS: Readonly<Record<string, (value: Json) => string>> = {
  records: (count) => `${countText(count)} records`,
  perSecond: (count) => `${countText(count)} a second`,
  inOrder: () => 'files in the order of their names',
  onMalformed: (how) => (how === 'fail' ? '' : `malformed records: ${text(how)}`),
  rowGroupRows: (rows) => `row groups of ${countText(rows)} rows`,
  fileBytesMax: (bytes) => `files of at most ${sizeText(Number(bytes))}`,
  partitionBy(by) {
    if (by === 'none') return ''
    return by === 'function' ? 'partitioned by a function' : `partitioned by ${text(by)}`
  },
}

function countText(count: Json): string {
  return text(count).replace(/\B(?=(\d{3})+$)/g, ',')
}

/** Exact: in MiB where that is whole. */
function sizeText(bytes: number): string {
  return bytes % MIB === 0 ? `${countText(bytes / MIB)} MiB` : `${countText(bytes)} bytes`
}

function formatText(format: Json): string {
  return typeof format === 'object' ? text(asObject(format)['kind']) : text(format)
}

function timeWords(time: Json | undefined): string {
  return typeof time === 'string' ? `event time is "${time}"` : 'event time by a function'
}

function boundWords({ generator, idleMs, alignment }: Fields): string {
  const { type, boundMs } = asObject(generator)
  const silent = typeof idleMs === 'number' ? `, a split is idle after ${spanText(idleMs)}` : ''
  const more = silent + alignmentWords(alignment)
  if (type === 'bounded') {
    const bound = Number(boundMs)
    if (bound === 0) return `in order of time${more}`
    return `records up to ${spanText(bound)} out of order${more}`
  }
  return `watermarks by a generator of the job${more}`
}

function alignmentWords(alignment: Json | undefined): string {
  if (alignment === undefined) return ''
  if (alignment === 'off') return ', not aligned with other sources'
  const { maxDriftMs, readAheadBytes } = asObject(alignment)
  const mb = Math.round((Number(readAheadBytes) / MIB) * 1_000) / 1_000
  return `, paused when ${spanText(Number(maxDriftMs))} and ${mb} MiB ahead of other sources`
}

export function windowWords(windows: Fields): string {
  const size = spanText(Number(windows['sizeMs']))
  switch (windows['type']) {
    case 'tumbling': {
      const offset = Number(windows['offsetMs'])
      const zone = windows['timeZone'] === undefined ? '' : ` in ${text(windows['timeZone'])}`
      return `windows of ${size}${offset === 0 ? '' : `, ${spanText(offset)} later`}${zone}`
    }
    case 'sliding':
      return `windows of ${size} every ${spanText(Number(windows['everyMs']))}`
    default:
      return `sessions that end after ${spanText(Number(windows['gapMs']))} of silence`
  }
}

function keysWords(keys: Json | undefined): string {
  const texts = asList(keys).map((key) => keyText(key as unknown as KeySelector))
  return `by ${texts.join(' and ')}`
}

function betweenWords(given: Fields): string {
  const [lower, upper] = [Number(given['lowerMs']), Number(given['upperMs'])]
  return `right time less left time from ${spanText(lower)} to ${spanText(upper)}`
}

function aggregatesText(aggregates: Json): string {
  return asList(aggregates)
    .map((one) => {
      const { name, aggregate } = asObject(one)
      return `${text(name)} = ${aggregateText(aggregate)}`
    })
    .join(', ')
}

/** `max of price where price > 3`. */
export function aggregateText(aggregate: Json | undefined): string {
  const { type, of, where } = asObject(aggregate)
  const what = of === undefined ? '' : ` of ${expressionText(asObject(of))}`
  const only = where === undefined ? '' : ` where ${conditionText(asObject(where))}`
  return `${type === 'function' ? functionText(aggregate) : text(type)}${what}${only}`
}

/** An aggregate of the job's own, by what it keeps. */
function functionText(aggregate: Json | undefined): string {
  const { accumulator } = asObject(asObject(aggregate)['definition'])
  const { kind, fields } = asObject(accumulator)
  return `function over ${kind === 'struct' ? Object.keys(asObject(fields)).join(', ') : text(kind)}`
}

function columnsText(columns: Json | undefined): string {
  return asList(columns)
    .map((column) => {
      const { name, of } = asObject(column)
      const made = expressionText(asObject(of))
      return made === name ? made : `${text(name)} = ${made}`
    })
    .join(', ')
}

const OPERATORS: Readonly<Record<string, string>> = {
  ...{ plus: '+', minus: '-', times: '×', dividedBy: '÷', modulo: 'mod' },
  ...{ eq: '=', ne: '≠', gt: '>', gte: '≥', lt: '<', lte: '≤' },
}

function expressionText(expression: Fields): string {
  const { type, field, value, operator, left, right } = expression
  if (type === 'field') return text(field)
  if (type === 'literal') return text(value)
  if (type !== 'arithmetic') return conditionText(expression)
  const [a, b] = [left, right].map((side) => expressionText(asObject(side)))
  return `${a!} ${OPERATORS[text(operator)] ?? text(operator)} ${b!}`
}

function conditionText(condition: Fields): string {
  const { type, operator, left, right, value, of, values } = condition
  switch (type) {
    case 'compare':
      return `${expressionText(asObject(left))} ${OPERATORS[text(operator)] ?? text(operator)} ${text(value)}`
    case 'oneOf':
      return `${expressionText(asObject(of))} one of ${text(values)}`
    case 'isNull':
      return `${expressionText(asObject(of))} null`
    case 'and':
    case 'or':
      return `(${conditionText(asObject(left))} ${type} ${conditionText(asObject(right))})`
    case 'not':
      return `not ${conditionText(asObject(of))}`
    default:
      return text(condition as Json)
  }
}

function schemaFields(schema: Json): string {
  const { kind, fields } = asObject(schema)
  if (kind !== 'struct') return text(kind)
  return asList(fields)
    .map((field) => text(asObject(field)['name']))
    .join(', ')
}

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
  ['ms', 1],
] as const

/** Exact, unlike what is shown of a measured time: 90,000 ms is `1 min 30 s`. */
export function spanText(ms: number): string {
  if (ms < 0) return `-${spanText(-ms)}`
  if (!Number.isFinite(ms) || ms === 0) return `${ms} ms`
  const parts: string[] = []
  let rest = ms
  for (const [unit, size] of UNITS) {
    const count = size === 1 ? rest : Math.floor(rest / size)
    if (count === 0) continue
    parts.push(`${count} ${unit}`)
    rest -= count * size
  }
  return parts.join(' ')
}

function asObject(value: Json | undefined): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Fields)
    : {}
}

function asList(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? (value as readonly Json[]) : []
}

function text(value: Json | undefined): string {
  if (Array.isArray(value)) return value.map((item) => text(item as Json)).join(', ')
  return typeof value === 'string' ? value : JSON.stringify(value ?? null)
}
