import type { ExpressionData, PredicateData, TextOrder } from '../expressions.ts'
import type { Reference } from './kernel-fields.ts'
import type { Scalar } from '../types.ts'
import { StreamError } from '../../engine/base/errors.ts'
import { compareDays } from '../../engine/stream/day.ts'
import { compareDecimals } from '../../engine/stream/decimal-text.ts'

const ARITHMETIC = { plus: '+', minus: '-', times: '*', dividedBy: '/', modulo: '%' } as const
const COMPARE = { eq: '===', ne: '!==', gt: '>', gte: '>=', lt: '<', lte: '<=' } as const

/**
 * Turns expressions into JavaScript: statements that come before, and a reference to the value.
 * Names and literals go in as quoted data, never as code. The rules are those of `expressions.ts`
 * (X1–X3). Code that is generated here needs `EXPRESSION_SCOPE`.
 */
export class ExpressionCompiler {
  readonly #references: ReadonlyMap<string, Reference>
  readonly statements: string[] = []
  #temporaries = 0

  constructor(references: ReadonlyMap<string, Reference>) {
    this.#references = references
  }

  expression(data: ExpressionData): Reference {
    switch (data.type) {
      case 'field':
        return this.#references.get(data.field)!
      case 'literal':
        return { code: literal(data.value), type: 'number', isNullable: false }
      case 'arithmetic':
        return this.#arithmetic(data)
      default:
        return data satisfies never
    }
  }

  /** An expression whose value is a number or null. */
  number(data: ExpressionData): Reference {
    const value = this.expression(data)
    if (value.type === 'number') return value
    return this.#keep(`numberOf(${value.code})`, true)
  }

  /** JavaScript of type boolean. */
  predicate(data: PredicateData): string {
    switch (data.type) {
      case 'compare':
        return compare(this.expression(data.left), data.operator, data.value, data.as)
      case 'oneOf': {
        const of = this.expression(data.of)
        const equals = data.values.map((value) => compare(of, 'eq', value, data.as))
        return equals.length === 0 ? 'false' : `(${equals.join(' || ')})`
      }
      case 'isNull':
        return isNull(this.expression(data.of))
      case 'and':
        return `(${this.predicate(data.left)} && ${this.predicate(data.right)})`
      case 'or':
        return `(${this.predicate(data.left)} || ${this.predicate(data.right)})`
      case 'not':
        return `!${this.predicate(data.of)}`
      default:
        return data satisfies never
    }
  }

  #arithmetic(data: Extract<ExpressionData, { type: 'arithmetic' }>): Reference {
    const left = this.number(data.left)
    const right = this.number(data.right)
    const nulls = [left, right].filter((side) => side.isNullable)
    const value = `${left.code} ${ARITHMETIC[data.operator]} ${right.code}`
    const isSome = nulls.map((side) => `${side.code} === null`).join(' || ')
    return this.#keep(nulls.length === 0 ? value : `${isSome} ? null : ${value}`, nulls.length > 0)
  }

  #keep(code: string, isNullable: boolean): Reference {
    const name = `t${this.#temporaries}`
    this.#temporaries += 1
    this.statements.push(`const ${name} = ${code}`)
    return { code: name, type: 'number', isNullable }
  }
}

/** JavaScript that is true when the reference has a value. */
export function isNotNull(reference: Reference): string {
  return isNull(reference) === 'false' ? 'true' : `!${isNull(reference)}`
}

/** What arithmetic reads of a value whose type is not known: null stays null (X2). */
export function numberOf(value: unknown): number | null {
  if (typeof value === 'number') return value
  if (value === null || value === undefined) return null
  throw new StreamError('VALUE_UNFIT', `a value of type ${typeof value} is used as a number`, {
    hint: 'Arithmetic takes fields that hold numbers; use map for anything else.',
  })
}

function isNull({ code, type, isNullable }: Reference): string {
  if (!isNullable) return 'false'
  return type === 'any' ? `(${code} === null || ${code} === undefined)` : `(${code} === null)`
}

function compare(
  of: Reference,
  operator: keyof typeof COMPARE,
  value: Scalar,
  as: TextOrder | undefined,
): string {
  if (as !== undefined) return compareTexts(of, operator, value, as)
  const type = typeof value
  const holds = `${of.code} ${COMPARE[operator]} ${literal(value)}`
  if (operator === 'eq') return of.type === 'any' || of.type === type ? `(${holds})` : 'false'
  if (operator === 'ne') {
    if (of.type === 'any' || of.type === type) return `(${isNotNull(of)} && ${holds})`
    return isNotNull(of)
  }
  if (of.type === 'any') return `(typeof ${of.code} === "${type}" && ${holds})`
  if (of.type !== type) return 'false'
  return of.isNullable ? `(${of.code} !== null && ${holds})` : `(${holds})`
}

/** Texts that stand for numbers or days: a field that holds anything else than text fits nothing. */
function compareTexts(
  of: Reference,
  operator: keyof typeof COMPARE,
  value: Scalar,
  as: TextOrder,
): string {
  const isText = of.type === 'string' && !of.isNullable ? '' : `typeof ${of.code} === "string" && `
  const order = `${as === 'decimal' ? 'compareDecimals' : 'compareDays'}(${of.code}, ${literal(value)})`
  return `(${isText}${order} ${COMPARE[operator]} 0)`
}

/** What the generated code calls. */
export const EXPRESSION_SCOPE = { numberOf, compareDecimals, compareDays }

/** A scalar as JavaScript. */
export function literal(value: Scalar): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value)
    case 'bigint':
      return `(${value}n)`
    case 'number':
      return Object.is(value, -0) ? '(-0)' : `(${value})`
    case 'boolean':
      return String(value)
    default:
      return value satisfies never
  }
}
