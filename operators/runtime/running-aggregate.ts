import type { AggregateOptions } from './options.ts'
import type { Column } from '../../engine/stream/columns.ts'
import type { ColumnMarks } from '../../engine/stream/column-set.ts'
import type { KernelInput } from './kernel-fields.ts'
import type { KeyedStateBackend, MapState, StateDescriptor } from '../../engine/state/state.ts'
import type { ValueState } from '../../engine/state/state.ts'
import type { OperatorContext, StreamOperator } from '../../engine/operator/operator.ts'
import type { RecordBatch } from '../../engine/stream/record-batch.ts'
import { AggregateCode, compileWith, resultRow } from './aggregate-code.ts'
import { columnInput, KernelCache } from './kernel-fields.ts'
import { FieldColumns } from '../../engine/stream/column-set.ts'
import { KeyedInput } from './keyed-input.ts'
import { TEXT_FORM } from '../../engine/stream/wire-schema.ts'
import { userError } from '../../engine/operator/user-error.ts'

type Kernel = (
  count: number,
  keys: ArrayLike<unknown>,
  hashes: Int32Array,
  backend: KeyedStateBackend,
  states: readonly ValueState<unknown, unknown>[],
  made: unknown,
  failAt: (thrown: unknown, index: number) => Error,
  ...values: unknown[]
) => void

interface ColumnsKernel {
  readonly run: Kernel
  /** By aggregate. */
  readonly isNullable: readonly boolean[]
}

/** The states of a running aggregate; the sets of countDistinct lie in maps of their own. */
export function runningAggregateStates(options: AggregateOptions): readonly StateDescriptor[] {
  return [...partStates(codeOf(options)), ...distinctStates(options)]
}

/**
 * Aggregates of all records of a key so far: one result for each record, in its place.
 *
 * Over columns whose results are numbers no row is made: the key's columns are handed on as they
 * came, with a column for each aggregate beside them.
 */
export class RunningAggregateOperator implements StreamOperator {
  readonly #options: AggregateOptions
  readonly #code: AggregateCode
  readonly #rowKernels: KernelCache<Kernel>
  readonly #columnKernels: KernelCache<ColumnsKernel | undefined>
  #distinct: (MapState<unknown, boolean> | undefined)[] = []
  #context!: OperatorContext
  #input!: KeyedInput
  #states!: readonly ValueState<unknown, unknown>[]

  constructor(options: AggregateOptions) {
    this.#options = options
    this.#code = codeOf(options)
    const isNew = (index: number, value: unknown): boolean => this.#isNew(index, value)
    this.#rowKernels = new KernelCache((input) => rowKernel(options, this.#code, input, isNew))
    this.#columnKernels = new KernelCache((input) => columnsKernel(this.#code, input, isNew))
  }

  open(context: OperatorContext): void {
    this.#context = context
    this.#input = new KeyedInput(this.#options.key, context)
    this.#states = partStates(this.#code).map((state) => context.keyed.value(state))
    const states = new Map(distinctStates(this.#options).map((state) => [state.name, state]))
    this.#distinct = this.#options.aggregates.map(({ name }) => {
      const descriptor = states.get(distinctName(name))
      return descriptor === undefined ? undefined : context.keyed.map(descriptor)
    })
  }

  processBatch(batch: RecordBatch): void {
    if (batch.count === 0) return
    const input = this.#code.needsRows ? undefined : columnInput(batch, this.#code.fields)
    const kernel = input === undefined ? undefined : this.#columnKernels.get(input)
    const keys = this.#input.keys(batch)
    const hashes = this.#input.hashes(batch, keys)
    if (kernel === undefined || !this.#hasKeyColumns(batch))
      this.#toRows(batch, keys, hashes, input)
    else this.#toColumns(batch, keys, hashes, input!, kernel)
  }

  #toRows(
    batch: RecordBatch,
    keys: ArrayLike<unknown>,
    hashes: Int32Array,
    columns: KernelInput | undefined,
  ): void {
    const input = columns ?? { sign: 'rows', shapes: 'rows' as const, values: [batch.rows] }
    const made = new Array<unknown>(batch.count)
    this.#run(this.#rowKernels.get(input), batch, keys, hashes, made, input)
    this.#context.output.emit(batch.withRows(made))
  }

  #toColumns(
    batch: RecordBatch,
    keys: ArrayLike<unknown>,
    hashes: Int32Array,
    input: KernelInput,
    kernel: ColumnsKernel,
  ): void {
    const from = batch.columns as FieldColumns
    const { keyColumns } = this.#options
    const made = kernel.isNullable.map((isNullable) => ({
      values: new Float64Array(batch.count),
      validity: isNullable ? new Uint8Array((batch.count + 7) >> 3) : undefined,
    }))
    this.#run(kernel.run, batch, keys, hashes, made, input)
    const columns: Column[] = []
    const details: ColumnMarks[] = []
    for (const name of keyColumns) {
      const at = from.names.indexOf(name)
      columns.push(from.columns[at]!)
      details.push(from.details[at]!)
    }
    for (const { values, validity } of made) {
      columns.push({ kind: 'float64', values, validity })
      const use = validity === undefined ? 'none' : 'nulls'
      details.push({ use, marks: undefined, form: TEXT_FORM.unknown, units: undefined })
    }
    const names = [...keyColumns, ...this.#code.aggregates.map((item) => item.name)]
    const set = new FieldColumns(batch.count, names, columns, details, from.isView)
    this.#context.output.emit(batch.withColumns(set))
  }

  #run(
    kernel: Kernel,
    batch: RecordBatch,
    keys: ArrayLike<unknown>,
    hashes: Int32Array,
    made: unknown,
    input: KernelInput,
  ): void {
    const { keyed } = this.#context
    const failAt = (thrown: unknown, index: number): Error =>
      userError(thrown, this.#context, batch, index)
    kernel(batch.count, keys, hashes, keyed, this.#states, made, failAt, ...input.values)
  }

  #hasKeyColumns(batch: RecordBatch): boolean {
    const { key, keyColumns } = this.#options
    if (key.type === 'function' || !(batch.columns instanceof FieldColumns)) return false
    const { names } = batch.columns
    return keyColumns.every((name) => names.includes(name))
  }

  #isNew(index: number, value: unknown): boolean {
    const seen = this.#distinct[index]!
    if (seen.has(value)) return false
    seen.put(value, true)
    return true
  }
}

type IsNew = (index: number, value: unknown) => boolean

function rowKernel(
  options: AggregateOptions,
  code: AggregateCode,
  input: KernelInput,
  isNew: IsNew,
): Kernel {
  const { parameters, body } = code.updateCode(input.shapes)
  const row = resultRow(options.keyColumns, options.key.type === 'fields', code, false)
  return compileWith(code, loopSource(code, parameters, '', body, `made[i] = ${row}`), { isNew })
}

/** Undefined where a result may be something else than a number. */
function columnsKernel(
  code: AggregateCode,
  input: KernelInput,
  isNew: IsNew,
): ColumnsKernel | undefined {
  const { parameters, body, kinds } = code.updateCode(input.shapes)
  if (kinds.includes('any')) return undefined
  const head: string[] = []
  const puts: string[] = []
  for (const [index, result] of code.resultExpressions().entries()) {
    head.push(`const o${index} = made[${index}].values`)
    if (kinds[index] === 'number') puts.push(`o${index}[i] = ${result}`)
    else {
      head.push(`const w${index} = made[${index}].validity`)
      const put = `o${index}[i] = r${index}; w${index}[i >> 3] |= 1 << (i & 7)`
      puts.push(`const r${index} = ${result}; if (r${index} !== null) { ${put} }`)
    }
  }
  const source = loopSource(code, parameters, head.join('\n'), body, puts.join('\n'))
  const isNullable = kinds.map((kind) => kind === 'number?')
  return { run: compileWith(code, source, { isNew }), isNullable }
}

function loopSource(
  code: AggregateCode,
  parameters: readonly string[],
  head: string,
  body: string,
  put: string,
): string {
  const handles = code.parts.map(({ index, suffix }, place) => {
    return `const s${index}${suffix} = states[${place}]`
  })
  const reads = code.parts.map(({ index, suffix, zero }) => {
    const name = `${index}${suffix}`
    return `let a${name} = s${name}.value(); if (a${name} === undefined) a${name} = ${zero}`
  })
  const fixed = 'count, keys, hashes, backend, states, made, failAt'
  return `return function aggregate(${[fixed, ...parameters].join(', ')}) {
    ${head}
    ${handles.join('\n')}
    let i = 0
    try {
      for (; i < count; i += 1) {
        const key = keys[i]
        backend.setCurrentKey(key, hashes[i])
        ${reads.join('\n')}
        ${body}
        ${put}
      }
    } catch (thrown) { throw failAt(thrown, i) }
  }`
}

function codeOf(options: AggregateOptions): AggregateCode {
  return new AggregateCode(options.aggregates, options.schema, 'states')
}

/** Names begin with what they are, so that those of two aggregates never clash. */
function partStates(code: AggregateCode): Extract<StateDescriptor, { type: 'value' }>[] {
  return code.parts.map(({ index, suffix, schema }) => {
    const part = suffix === '' ? 'aggregate' : suffix
    return { type: 'value', name: `${part} ${code.aggregates[index]!.name}`, value: schema }
  })
}

function distinctStates(options: AggregateOptions): Extract<StateDescriptor, { type: 'map' }>[] {
  return options.aggregates
    .filter(({ aggregate }) => aggregate.type === 'countDistinct')
    .map(({ name }) => ({
      type: 'map',
      name: distinctName(name),
      key: { kind: 'packed' },
      value: { kind: 'bool' },
    }))
}

function distinctName(aggregate: string): string {
  return `distinct ${aggregate}`
}
