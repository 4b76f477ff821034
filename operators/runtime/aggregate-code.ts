import type { AggregateData } from '../aggregates.ts'
import type { ExpressionData } from '../expressions.ts'
import type { KernelInput } from './kernel-fields.ts'
import type { SchemaData } from '../../engine/stream/schema.ts'
import { schemaData } from '../../engine/stream/schema.ts'
import * as values from './aggregate-values.ts'
import { compileKernel, fieldCode } from './kernel-fields.ts'
import { ExpressionCompiler, isNotNull, numberOf } from './kernel-expressions.ts'
import { fieldsOfExpression, fieldsOfPredicate } from '../expressions.ts'

export interface NamedAggregate {
  readonly name: string
  readonly aggregate: AggregateData
}

/**
 * The code of a set of declared aggregates, generated once for each combination of columns.
 *
 * An accumulator is one object with a field for each aggregate, named as it is; an average holds
 * two numbers, a countDistinct the set of what it has seen (unless `distinctInMap`, where the
 * operator keeps it in a map state and here is only the number).
 */
export class AggregateCode {
  readonly aggregates: readonly NamedAggregate[]
  /** What the aggregates read of a record, but for a user's own, which need the row. */
  readonly fields: readonly string[]
  readonly needsRows: boolean
  readonly accumulator: SchemaData
  readonly #schema: SchemaData | undefined
  readonly #distinctInMap: boolean

  constructor(
    aggregates: readonly NamedAggregate[],
    schema: SchemaData | undefined,
    distinctInMap: boolean,
  ) {
    this.aggregates = aggregates
    this.#schema = schema
    this.#distinctInMap = distinctInMap
    this.needsRows = aggregates.some(({ aggregate }) => aggregate.type === 'function')
    this.fields = [...new Set(aggregates.flatMap(({ aggregate }) => fieldsOf(aggregate)))]
    this.accumulator = {
      kind: 'struct',
      fields: aggregates.map(({ name, aggregate }) => ({ name, schema: this.#slot(aggregate) })),
    }
  }

  /** Everything that generated code of this object has in its scope. */
  get scope(): Readonly<Record<string, unknown>> {
    const functions = this.aggregates.map(({ aggregate }) =>
      aggregate.type === 'function' ? aggregate.definition : undefined,
    )
    return { ...values, numberOf, functions }
  }

  /** An expression: an accumulator of nothing. */
  createExpression(): string {
    const slots = this.aggregates.map(({ name, aggregate }, index) => {
      return `[${JSON.stringify(name)}]: ${this.#zero(aggregate, index)}`
    })
    return `{ ${slots.join(', ')} }`
  }

  /** Statements that add record `i` to the accumulator `acc`. */
  updateCode(shapes: KernelInput['shapes']): {
    readonly parameters: readonly string[]
    readonly body: string
    readonly kinds: readonly ResultKind[]
  } {
    const { parameters, loads, references } = fieldCode(this.fields, shapes)
    const compiler = new ExpressionCompiler(references)
    const steps = this.aggregates.map((item, index) => this.#update(compiler, item, index))
    const row = this.needsRows && this.fields.length === 0 ? ['const row = rows[i]'] : []
    return {
      parameters,
      body: [...row, ...loads, ...compiler.statements, ...steps.map((step) => step.code)].join(
        '\n',
      ),
      kinds: steps.map((step) => step.kind),
    }
  }

  /** Statements that fold accumulator `right` into `left`; `right` may be used up by it. */
  mergeCode(): string {
    return this.aggregates
      .map(({ name, aggregate }, index) => {
        const left = `left[${JSON.stringify(name)}]`
        const right = `right[${JSON.stringify(name)}]`
        switch (aggregate.type) {
          case 'count':
            return `${left} += ${right}`
          case 'sum':
            return `${left} = mergeSums(${left}, ${right})`
          case 'min':
            return `${left} = mergeMins(${left}, ${right})`
          case 'max':
            return `${left} = mergeMaxes(${left}, ${right})`
          case 'average':
            return `${left}.sum += ${right}.sum; ${left}.count += ${right}.count`
          case 'countDistinct':
            return `${left} = mergeDistinct(${left}, ${right})`
          case 'function':
            return `${left} = functions[${index}].merge(${left}, ${right})`
          default:
            return aggregate satisfies never
        }
      })
      .join('\n')
  }

  /** One expression for each aggregate: its result from `acc`. */
  resultExpressions(): readonly string[] {
    return this.aggregates.map(({ name, aggregate }, index) => {
      const slot = `acc[${JSON.stringify(name)}]`
      switch (aggregate.type) {
        case 'average':
          return `(${slot}.count === 0 ? null : ${slot}.sum / ${slot}.count)`
        case 'countDistinct':
          return this.#distinctInMap ? slot : `${slot}.size`
        case 'function':
          return `copyOf(functions[${index}].getResult(${slot}))`
        default:
          return slot
      }
    })
  }

  #slot(aggregate: AggregateData): SchemaData {
    switch (aggregate.type) {
      case 'count':
        return { kind: 'int64', as: 'number' }
      case 'average':
        return AVERAGE
      case 'countDistinct':
        return this.#distinctInMap ? { kind: 'int64', as: 'number' } : { kind: 'packed' }
      case 'function':
        return schemaData(aggregate.definition.accumulator)
      default:
        return { kind: 'packed' }
    }
  }

  #zero(aggregate: AggregateData, index: number): string {
    switch (aggregate.type) {
      case 'count':
        return '0'
      case 'sum':
        return this.#isBigInt(aggregate.of) ? '0n' : '0'
      case 'average':
        return '{ sum: 0, count: 0 }'
      case 'countDistinct':
        return this.#distinctInMap ? '0' : 'new Set()'
      case 'function':
        return `functions[${index}].create()`
      default:
        return 'null'
    }
  }

  #isBigInt(of: ExpressionData): boolean {
    if (of.type !== 'field' || this.#schema?.kind !== 'struct') return false
    const found = this.#schema.fields.find((field) => field.name === of.field)?.schema
    const schema = found?.kind === 'nullable' ? found.of : found
    return schema?.kind === 'int64' && schema.as === 'bigint'
  }

  #update(
    compiler: ExpressionCompiler,
    { name, aggregate }: NamedAggregate,
    index: number,
  ): { readonly code: string; readonly kind: ResultKind } {
    const slot = `acc[${JSON.stringify(name)}]`
    const where = aggregate.where === undefined ? [] : [compiler.predicate(aggregate.where)]
    if (aggregate.type === 'count') return { code: when(where, `${slot} += 1`), kind: 'number' }
    if (aggregate.type === 'function') {
      const code = `${slot} = functions[${index}].add(${slot}, row)`
      return { code: when(where, code), kind: 'any' }
    }
    const value = compiler.expression(aggregate.of)
    const isNumber = value.type === 'number'
    const notNull = isNotNull(value)
    const conditions = notNull === 'true' ? where : [...where, notNull]
    const isAlways = conditions.length === 0
    switch (aggregate.type) {
      case 'sum':
        return {
          code: when(conditions, `${slot} = sumOf(${slot}, ${value.code})`),
          kind: isNumber ? 'number' : 'any',
        }
      case 'min':
      case 'max': {
        const code = `${slot} = ${aggregate.type}Of(${slot}, ${value.code})`
        const kind = isNumber ? (isAlways ? 'number' : 'number?') : 'any'
        return { code: when(conditions, code), kind }
      }
      case 'average': {
        const code = `${slot}.sum += averaged(${value.code}); ${slot}.count += 1`
        return { code: when(conditions, code), kind: isAlways ? 'number' : 'number?' }
      }
      case 'countDistinct': {
        const add = this.#distinctInMap
          ? `if (isNew(${index}, ${value.code})) ${slot} += 1`
          : `${slot} = addDistinct(${slot}, ${value.code})`
        return { code: when(conditions, add), kind: 'number' }
      }
      default:
        return aggregate satisfies never
    }
  }
}

/** What a result is in a column: always a number, a number or null, or something else. */
export type ResultKind = 'number' | 'number?' | 'any'

const AVERAGE: SchemaData = {
  kind: 'struct',
  fields: [
    { name: 'sum', schema: { kind: 'float64' } },
    { name: 'count', schema: { kind: 'int64', as: 'number' } },
  ],
}

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

function fieldsOf(aggregate: AggregateData): readonly string[] {
  const where = aggregate.where === undefined ? [] : fieldsOfPredicate(aggregate.where)
  if (aggregate.type === 'count' || aggregate.type === 'function') return where
  return [...fieldsOfExpression(aggregate.of), ...where]
}

function when(conditions: readonly string[], code: string): string {
  return conditions.length === 0 ? code : `if (${conditions.join(' && ')}) { ${code} }`
}
