import type { ExpressionData, PredicateData } from '../expressions.ts'
import type { Column, ColumnSet } from '../../engine/stream/columns.ts'
import type { ColumnMarks } from '../../engine/stream/column-set.ts'
import type { KernelInput } from './kernel-fields.ts'
import type { OperatorContext, StreamOperator } from '../../engine/operator/operator.ts'
import type { RecordBatch } from '../../engine/stream/record-batch.ts'
import { BATCH_RECORDS_MAX } from '../../engine/base/limits.ts'
import { FieldColumns } from '../../engine/stream/column-set.ts'
import { TEXT_FORM } from '../../engine/stream/wire-schema.ts'
import { columnInput, compileKernel, fieldCode, KernelCache, kernelInput } from './kernel-fields.ts'
import { EXPRESSION_SCOPE, ExpressionCompiler, isNotNull } from './kernel-expressions.ts'
import { fieldsOfExpression, fieldsOfPredicate } from '../expressions.ts'
import { userError } from '../../engine/operator/user-error.ts'

type FailAt = (thrown: unknown, index: number) => Error
type WhereKernel = (count: number, kept: Int32Array, failAt: FailAt, ...values: unknown[]) => number

/** Keeps the records that fit a declared predicate; makes no row for it. */
export class WhereOperator implements StreamOperator {
  readonly #fields: readonly string[]
  readonly #kernels: KernelCache<WhereKernel>
  readonly #kept = new Int32Array(BATCH_RECORDS_MAX)
  #context!: OperatorContext

  constructor(predicate: PredicateData) {
    this.#fields = fieldsOfPredicate(predicate)
    this.#kernels = new KernelCache((input) => whereKernel(predicate, this.#fields, input))
  }

  open(context: OperatorContext): void {
    this.#context = context
  }

  processBatch(batch: RecordBatch): void {
    const { count } = batch
    const kept = count <= BATCH_RECORDS_MAX ? this.#kept : new Int32Array(count)
    const input = kernelInput(batch, this.#fields)
    const failAt: FailAt = (thrown, index) => userError(thrown, this.#context, batch, index)
    const keptCount = this.#kernels.get(input)(count, kept, failAt, ...input.values)
    if (keptCount === 0) return
    this.#context.output.emit(keptCount === count ? batch : batch.select(kept, keptCount))
  }
}

function whereKernel(
  predicate: PredicateData,
  fields: readonly string[],
  input: KernelInput,
): WhereKernel {
  const { parameters, loads, references } = fieldCode(fields, input.shapes)
  const compiler = new ExpressionCompiler(references)
  const condition = compiler.predicate(predicate)
  const source = `return function where(count, kept, failAt, ${parameters.join(', ')}) {
    let keptCount = 0
    let i = 0
    try {
      for (; i < count; i += 1) {
        ${[...loads, ...compiler.statements].join('\n')}
        if (${condition}) { kept[keptCount] = i; keptCount += 1 }
      }
    } catch (thrown) { throw failAt(thrown, i) }
    return keptCount
  }`
  return compileKernel(source, EXPRESSION_SCOPE) as WhereKernel
}

/** One column of a select: its name, and what it is made of. */
export interface SelectColumn {
  readonly name: string
  readonly of: ExpressionData
}

type RowsKernel = (count: number, made: unknown[], failAt: FailAt, ...values: unknown[]) => void
type ColumnKernel = (
  count: number,
  made: Float64Array,
  validity: Uint8Array | undefined,
  ...values: unknown[]
) => void

/**
 * Declared columns of each record, also what `pick` is. Over columns, a field is handed on as it
 * is and only arithmetic is computed; over rows, new rows are made.
 */
export class SelectOperator implements StreamOperator {
  readonly #columns: readonly SelectColumn[]
  readonly #fields: readonly string[]
  readonly #rowKernel: RowsKernel
  readonly #columnKernels: readonly (ComputedColumn | undefined)[]
  #context!: OperatorContext

  constructor(columns: readonly SelectColumn[]) {
    this.#columns = columns
    this.#fields = [...new Set(columns.flatMap((item) => fieldsOfExpression(item.of)))]
    this.#rowKernel = selectRowsKernel(columns, this.#fields)
    this.#columnKernels = columns.map(({ of }) =>
      of.type === 'field' ? undefined : new ComputedColumn(of),
    )
  }

  open(context: OperatorContext): void {
    this.#context = context
  }

  processBatch(batch: RecordBatch): void {
    const columns = batch.hasRows ? undefined : this.#selectColumns(batch)
    if (columns !== undefined) {
      this.#context.output.emit(batch.withColumns(columns))
      return
    }
    const made = new Array<unknown>(batch.count)
    const failAt: FailAt = (thrown, index) => userError(thrown, this.#context, batch, index)
    this.#rowKernel(batch.count, made, failAt, batch.rows)
    this.#context.output.emit(batch.withRows(made))
  }

  /** Undefined where the columns cannot be had without the rows. */
  #selectColumns(batch: RecordBatch): ColumnSet | undefined {
    const from = batch.columns
    if (!(from instanceof FieldColumns)) return undefined
    const columns: Column[] = []
    const details: ColumnMarks[] = []
    for (const [index, { of }] of this.#columns.entries()) {
      if (of.type === 'field') {
        const at = from.names.indexOf(of.field)
        if (at < 0) return undefined
        columns.push(from.columns[at]!)
        details.push(from.details[at]!)
      } else {
        const column = this.#columnKernels[index]!.compute(batch)
        if (column === undefined) return undefined
        columns.push(column)
        const use = column.validity === undefined ? 'none' : 'nulls'
        details.push({ use, marks: undefined, form: TEXT_FORM.unknown, units: undefined })
      }
    }
    const names = this.#columns.map((column) => column.name)
    return new FieldColumns(batch.count, names, columns, details, from.isView)
  }
}

function selectRowsKernel(columns: readonly SelectColumn[], fields: readonly string[]): RowsKernel {
  const { parameters, loads, references } = fieldCode(fields, 'rows')
  const compiler = new ExpressionCompiler(references)
  const values = columns.map(({ name, of }) => {
    const { code } = compiler.expression(of)
    return `[${JSON.stringify(name)}]: ${code}`
  })
  const source = `return function select(count, made, failAt, ${parameters.join(', ')}) {
    let i = 0
    try {
      for (; i < count; i += 1) {
        ${[...loads, ...compiler.statements].join('\n')}
        made[i] = { ${values.join(', ')} }
      }
    } catch (thrown) { throw failAt(thrown, i) }
  }`
  return compileKernel(source, EXPRESSION_SCOPE)
}

/** Arithmetic over columns: numbers in, a column of numbers out. */
class ComputedColumn {
  readonly #fields: readonly string[]
  readonly #kernels: KernelCache<{ readonly run: ColumnKernel; readonly isNullable: boolean }>

  constructor(expression: ExpressionData) {
    this.#fields = fieldsOfExpression(expression)
    this.#kernels = new KernelCache((input) => columnKernel(expression, this.#fields, input))
  }

  compute(batch: RecordBatch): Column | undefined {
    const input = columnInput(batch, this.#fields)
    if (input === undefined) return undefined
    for (const shape of input.shapes) if (!NUMBERS.has(shape)) return undefined
    const kernel = this.#kernels.get(input)
    const values = new Float64Array(batch.count)
    const validity = kernel.isNullable ? new Uint8Array((batch.count + 7) >> 3) : undefined
    kernel.run(batch.count, values, validity, ...input.values)
    return { kind: 'float64', values, validity }
  }
}

const NUMBERS: ReadonlySet<string> = new Set(['float64', 'int32', 'float64?', 'int32?'])

function columnKernel(
  expression: ExpressionData,
  fields: readonly string[],
  input: KernelInput,
): { readonly run: ColumnKernel; readonly isNullable: boolean } {
  const { parameters, loads, references } = fieldCode(fields, input.shapes)
  const compiler = new ExpressionCompiler(references)
  const value = compiler.number(expression)
  const put = `made[i] = ${value.code}`
  const valid = 'validity[i >> 3] |= 1 << (i & 7)'
  const store = value.isNullable ? `if (${isNotNull(value)}) { ${put}; ${valid} }` : put
  const source = `return function compute(count, made, validity, ${parameters.join(', ')}) {
    for (let i = 0; i < count; i += 1) {
      ${[...loads, ...compiler.statements].join('\n')}
      ${store}
    }
  }`
  const run = compileKernel(source, EXPRESSION_SCOPE) as ColumnKernel
  return { run, isNullable: value.isNullable }
}
