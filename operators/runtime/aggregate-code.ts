import type { AggregateData, AggregateFunction } from '../aggregates.ts'
import type { ExpressionData, TextOrder } from '../expressions.ts'
import type { KernelInput, Reference } from './kernel-fields.ts'
import type { SchemaData } from '../../engine/stream/schema.ts'
import { schemaData } from '../../engine/stream/schema.ts'
import * as values from './aggregate-values.ts'
import { compileKernel, fieldCode } from './kernel-fields.ts'
import { EXPRESSION_SCOPE, ExpressionCompiler, isNotNull } from './kernel-expressions.ts'
import { fieldsOfExpression, fieldsOfPredicate } from '../expressions.ts'

export interface NamedAggregate {
  readonly name: string
  readonly aggregate: AggregateData
}

/**
 * Where generated code keeps the parts of an accumulator.
 *
 * 'states': each part in a value state of its own, `s0`, read into a variable `a0`: numbers in
 * state cost no look inside, and an aggregate that is added later finds the others untouched.
 * 'object': one object `acc` with a field for each aggregate; of a single one its value itself.
 */
export type AggregateLayout = 'states' | 'object'

/**
 * One value of an accumulator; an average has two. So has, in layout 'states', a sum, min or max of
 * values whose type is not known beforehand: a number, which nearly all are, and 'other' for what
 * is none, null until it comes.
 */
export interface AggregatePart {
  /** Place of the aggregate. */
  readonly index: number
  readonly suffix: '' | 'sum' | 'count' | 'other'
  readonly schema: SchemaData
  /** JavaScript of the part of nothing. */
  readonly zero: string
}

/** The code of a set of declared aggregates, generated once for each combination of columns. */
export class AggregateCode {
  readonly aggregates: readonly NamedAggregate[]
  /** What the aggregates read of a record, but for a user's own, which need the row. */
  readonly fields: readonly string[]
  readonly needsRows: boolean
  readonly parts: readonly AggregatePart[]
  readonly #layout: AggregateLayout
  readonly #schema: SchemaData | undefined

  constructor(
    aggregates: readonly NamedAggregate[],
    schema: SchemaData | undefined,
    layout: AggregateLayout,
  ) {
    this.aggregates = aggregates
    this.#schema = schema
    this.#layout = layout
    this.needsRows = aggregates.some(({ aggregate }) => aggregate.type === 'function')
    this.fields = [...new Set(aggregates.flatMap(({ aggregate }) => fieldsOf(aggregate)))]
    this.parts = aggregates.flatMap(({ aggregate }, index) => this.#partsOf(aggregate, index))
  }

  /** Schema of an accumulator in layout 'object'. */
  get accumulator(): SchemaData {
    const fields = this.aggregates.map(({ name }, index) => {
      const parts = this.parts.filter((part) => part.index === index)
      const nested = parts.map(({ suffix, schema }) => ({ name: suffix, schema }))
      const single = parts.length === 1 ? parts[0]!.schema : undefined
      return { name, schema: single ?? ({ kind: 'struct', fields: nested } as const) }
    })
    return fields.length === 1 ? fields[0]!.schema : { kind: 'struct', fields }
  }

  /** Everything that generated code of this object has in its scope. */
  get scope(): Readonly<Record<string, unknown>> {
    const functions = this.aggregates.map(({ aggregate }) =>
      aggregate.type === 'function' ? aggregate.definition : undefined,
    )
    return { ...values, ...EXPRESSION_SCOPE, functions }
  }

  /** An expression: an accumulator of nothing, in layout 'object'. */
  createExpression(): string {
    const slots = this.aggregates.map((_, index) => {
      const parts = this.parts.filter((part) => part.index === index)
      if (parts.length === 1) return parts[0]!.zero
      return `{ ${parts.map(({ suffix, zero }) => `${suffix}: ${zero}`).join(', ')} }`
    })
    if (slots.length === 1) return slots[0]!
    const named = slots.map((slot, index) => `[${this.#quotedName(index)}]: ${slot}`)
    return `{ ${named.join(', ')} }`
  }

  /** Statements that add record `i`. In layout 'states' they also write what they change. */
  updateCode(shapes: KernelInput['shapes']): {
    readonly parameters: readonly string[]
    readonly body: string
    readonly kinds: readonly ResultKind[]
  } {
    const { parameters, loads, references } = fieldCode(this.fields, shapes)
    const compiler = new ExpressionCompiler(references)
    const steps = this.aggregates.map(({ aggregate }, index) =>
      this.#update(compiler, aggregate, index),
    )
    const row = this.needsRows && this.fields.length === 0 ? ['const row = rows[i]'] : []
    const codes = steps.map((step) => step.code)
    return {
      parameters,
      body: [...row, ...loads, ...compiler.statements, ...codes].join('\n'),
      kinds: steps.map((step) => step.kind),
    }
  }

  /** Statements that fold accumulator `right` into `left`; `right` stays as it is. */
  mergeCode(): string {
    const code = this.aggregates.map(({ aggregate }, index) => {
      const [left, right] = [this.slot(index, '', 'left'), this.slot(index, '', 'right')]
      switch (aggregate.type) {
        case 'count':
          return `${left} += ${right}`
        case 'sum':
          return `${left} = mergeSums(${left}, ${right})`
        case 'min':
        case 'max':
          return `${left} = mergeExtremes(${left}, ${right}, ${foldName(aggregate.type, aggregate.as)})`
        case 'average':
          return `${left}.sum += ${right}.sum; ${left}.count += ${right}.count`
        case 'countDistinct':
          return `${left} = mergeDistinct(${left}, ${right})`
        case 'function':
          return `${left} = ${this.#called(index, 'merge', `${left}, copyOf(${right})`)}`
        default:
          return aggregate satisfies never
      }
    })
    return code.join('\n')
  }

  /** One expression for each aggregate: its result. */
  resultExpressions(): readonly string[] {
    return this.aggregates.map(({ aggregate }, index) => {
      const slot = this.slot(index)
      const other = this.slot(index, 'other')
      switch (aggregate.type) {
        case 'sum':
        case 'min':
        case 'max':
          return this.#hasOther(index) ? `(${other} === null ? ${slot} : ${other})` : slot
        case 'average': {
          const [sum, count] = [this.slot(index, 'sum'), this.slot(index, 'count')]
          return `(${count} === 0 ? null : ${sum} / ${count})`
        }
        case 'countDistinct':
          return this.#layout === 'states' ? slot : `${slot}.size`
        case 'function':
          return `copyOf(${this.#called(index, 'getResult', slot)})`
        default:
          return slot
      }
    })
  }

  /** JavaScript for a part of the accumulator. */
  slot(index: number, suffix: AggregatePart['suffix'] = '', accumulator = 'acc'): string {
    if (this.#layout === 'states') return `a${index}${suffix}`
    const isSingle = this.aggregates.length === 1
    const slot = isSingle ? accumulator : `${accumulator}[${this.#quotedName(index)}]`
    return suffix === '' ? slot : `${slot}.${suffix}`
  }

  /** A call of a function of the user's, which must not give a promise. */
  #called(index: number, part: UserPart, given: string): string {
    return `atOnce(functions[${index}].${part}(${given}), "${part}", ${this.#quotedName(index)})`
  }

  #quotedName(index: number): string {
    return JSON.stringify(this.aggregates[index]!.name)
  }

  #partsOf(aggregate: AggregateData, index: number): readonly AggregatePart[] {
    const count = { index, suffix: '', schema: INTEGER, zero: '0' } as const
    switch (aggregate.type) {
      case 'count':
        return [count]
      case 'sum': {
        const kind = this.#kindOf(aggregate.of)
        const zero = kind === 'bigint' ? '0n' : '0'
        return this.#numberOrOther(index, kind, { kind: 'float64' }, zero)
      }
      case 'min':
      case 'max': {
        const schema: SchemaData = { kind: 'nullable', of: { kind: 'float64' } }
        return this.#numberOrOther(index, this.#kindOf(aggregate.of), schema, 'null')
      }
      case 'average':
        return [
          { index, suffix: 'sum', schema: { kind: 'float64' }, zero: '0' },
          { ...count, suffix: 'count' },
        ]
      case 'countDistinct':
        if (this.#layout === 'states') return [count]
        return [{ index, suffix: '', schema: { kind: 'packed' }, zero: 'new Set()' }]
      case 'function': {
        const schema = schemaData(aggregate.definition.accumulator)
        return [{ index, suffix: '', schema, zero: this.#called(index, 'create', '') }]
      }
      default:
        return aggregate satisfies never
    }
  }

  #numberOrOther(
    index: number,
    kind: 'number' | 'bigint' | undefined,
    number: SchemaData,
    zero: string,
  ): readonly AggregatePart[] {
    if (kind === 'number') return [{ index, suffix: '', schema: number, zero }]
    const packed: AggregatePart = { index, suffix: '', schema: { kind: 'packed' }, zero }
    if (kind === 'bigint' || this.#layout === 'object') return [packed]
    const other: AggregatePart = { ...packed, suffix: 'other', zero: 'null' }
    return [{ index, suffix: '', schema: number, zero }, other]
  }

  #hasOther(index: number): boolean {
    return this.parts.some((part) => part.index === index && part.suffix === 'other')
  }

  /** What the values of an expression are, where that is known before there are any. */
  #kindOf(of: ExpressionData): 'number' | 'bigint' | undefined {
    if (of.type !== 'field') return 'number'
    if (this.#schema?.kind !== 'struct') return undefined
    const found = this.#schema.fields.find((field) => field.name === of.field)?.schema
    const schema = found?.kind === 'nullable' ? found.of : found
    switch (schema?.kind) {
      case 'int32':
      case 'float64':
      case 'timestamp':
        return 'number'
      case 'int64':
        return schema.as
      default:
        return undefined
    }
  }

  #update(
    compiler: ExpressionCompiler,
    aggregate: AggregateData,
    index: number,
  ): { readonly code: string; readonly kind: ResultKind } {
    const slot = this.slot(index)
    const store = this.#store(index)
    const where = aggregate.where === undefined ? [] : [compiler.predicate(aggregate.where)]
    if (aggregate.type === 'count') {
      return { code: when(where, `${slot} += 1${store}`), kind: 'number' }
    }
    if (aggregate.type === 'function') {
      const code = `${slot} = ${this.#called(index, 'add', `${slot}, row`)}${store}`
      return { code: when(where, code), kind: 'any' }
    }
    const value = compiler.expression(aggregate.of)
    const isNumber = value.type === 'number'
    const notNull = isNotNull(value)
    const conditions = notNull === 'true' ? where : [...where, notNull]
    const nullable = conditions.length === 0 ? 'number' : 'number?'
    switch (aggregate.type) {
      case 'sum': {
        const code = this.#updateValue('sum', index, value, 'sumOf')
        return { code: when(conditions, code), kind: isNumber ? 'number' : 'any' }
      }
      case 'min':
      case 'max': {
        const code = this.#updateValue(
          aggregate.type,
          index,
          value,
          foldName(aggregate.type, aggregate.as),
        )
        return { code: when(conditions, code), kind: isNumber ? nullable : 'any' }
      }
      case 'average': {
        const [sum, count] = [this.slot(index, 'sum'), this.slot(index, 'count')]
        const code = `${sum} += averaged(${value.code}); ${count} += 1${store}`
        return { code: when(conditions, code), kind: nullable }
      }
      case 'countDistinct': {
        const add =
          this.#layout === 'states'
            ? `if (isNew(${index}, ${value.code})) { ${slot} += 1${store} }`
            : `${slot} = addDistinct(${slot}, ${value.code})`
        return { code: when(conditions, add), kind: 'number' }
      }
      default:
        return aggregate satisfies never
    }
  }

  #updateValue(name: string, index: number, value: Reference, fold: string): string {
    const slot = this.slot(index)
    if (!this.#hasOther(index)) {
      return `${slot} = ${fold}(${slot}, ${value.code})${this.#store(index)}`
    }
    const other = this.slot(index, 'other')
    const { code } = value
    const number = `if (${other} !== null) throw mixed("${name}", ${other}, ${code})
      ${slot} = ${fold}(${slot}, ${code})${this.#store(index, '')}`
    if (value.type === 'number') return number
    return `if (typeof ${code} === 'number') { ${number} } else {
      ${other} = otherOf(${slot}, ${other}, ${code}, ${fold}, "${name}")${this.#store(index, 'other')}
    }`
  }

  /** Writes the parts of an aggregate, or one of them. */
  #store(index: number, only?: AggregatePart['suffix']): string {
    if (this.#layout === 'object') return ''
    const parts = this.parts.filter((part) => {
      return part.index === index && (only === undefined || part.suffix === only)
    })
    return parts.map(({ suffix }) => `; s${index}${suffix}.update(a${index}${suffix})`).join('')
  }
}

type UserPart = Exclude<keyof AggregateFunction<never, never, never>, 'accumulator' | 'result'>

const INTEGER: SchemaData = { kind: 'int64', as: 'number' }

/** What a result is in a column: always a number, a number or null, or something else. */
export type ResultKind = 'number' | 'number?' | 'any'

/** The fields of a result row, in order: the key's, the aggregates', and for windows the bounds. */
export function resultRow(
  keyColumns: readonly string[],
  hasSeveralKeys: boolean,
  code: AggregateCode,
  bounds: boolean,
): string {
  const keys = keyColumns.map((name, index) => {
    return `[${JSON.stringify(name)}]: ${hasSeveralKeys ? `key[${index}]` : 'key'}`
  })
  const results = code.resultExpressions().map((expression, index) => {
    return `[${JSON.stringify(code.aggregates[index]!.name)}]: ${expression}`
  })
  const window = bounds ? ['windowStart: start', 'windowEnd: end'] : []
  return `{ ${[...keys, ...results, ...window].join(', ')} }`
}

export function compileWith<K>(
  code: AggregateCode,
  source: string,
  more: Readonly<Record<string, unknown>> = {},
): K {
  return compileKernel(source, { ...code.scope, ...more }) as K
}

/** The function that folds a value into a least or greatest one. */
function foldName(type: 'min' | 'max', as: TextOrder | undefined): string {
  return `${type}${as === undefined ? 'Of' : as === 'decimal' ? 'Decimal' : 'Date'}`
}

function fieldsOf(aggregate: AggregateData): readonly string[] {
  const where = aggregate.where === undefined ? [] : fieldsOfPredicate(aggregate.where)
  if (aggregate.type === 'count' || aggregate.type === 'function') return where
  return [...fieldsOfExpression(aggregate.of), ...where]
}

function when(conditions: readonly string[], code: string): string {
  return conditions.length === 0 ? code : `if (${conditions.join(' && ')}) { ${code} }`
}
