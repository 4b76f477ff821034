import type { Emitters } from './process-context.ts'
import type { KernelInput } from './kernel-fields.ts'
import type { RecordBatch } from '../../engine/stream/record-batch.ts'
import type { SchemaData } from '../../engine/stream/schema.ts'
import type { UserDefinition, WindowAggregateOptions } from './options.ts'
import { AggregateCode, compileWith, resultRow } from './aggregate-code.ts'
import { KernelCache, kernelInput } from './kernel-fields.ts'
import { ProcessScope } from './process-context.ts'
import { ASYNC_HINT, isPromiseLike } from '../../engine/operator/user-error.ts'
import { StreamError } from '../../engine/base/errors.ts'

/** Adds record `index` of a batch to an accumulator; undefined is one of nothing. */
export type Add = (accumulator: unknown, index: number) => unknown

/** What a window does with its records: how it gathers them, and what it gives when it fires. */
export interface WindowFold {
  /** Schema of an accumulator. */
  readonly accumulator: SchemaData
  bind(batch: RecordBatch): Add
  /** Folds `right` into `left` and returns it. `right` stays as it is; `left` may be of nothing. */
  merge(left: unknown, right: unknown): unknown
  /** Gives the result of window [start, end) to the emitters, at time end − 1. */
  emit(accumulator: unknown, key: unknown, start: number, end: number): void
}

/** Makes a fold for one subtask. */
export type CreateFold = (emitters: Emitters) => WindowFold

interface AggregateKernels {
  create(): unknown
  merge(left: unknown, right: unknown): unknown
  result(acc: unknown, key: unknown, start: number, end: number): unknown
}

/** Declared aggregates. */
export class AggregateFold implements WindowFold {
  readonly accumulator: SchemaData
  readonly #code: AggregateCode
  readonly #kernels: AggregateKernels
  readonly #adders: KernelCache<(...values: unknown[]) => Add>
  readonly #emitters: Emitters

  constructor(options: WindowAggregateOptions, code: AggregateCode, emitters: Emitters) {
    this.accumulator = code.accumulator
    this.#code = code
    this.#emitters = emitters
    this.#adders = new KernelCache((input) => adderKernel(code, input))
    const row = resultRow(options.keyColumns, options.key.type === 'fields', code, true)
    this.#kernels = compileWith<() => AggregateKernels>(
      code,
      `return () => ({
        create: () => (${code.createExpression()}),
        merge(left, right) { ${code.mergeCode()}
 return left },
        result: (acc, key, start, end) => (${row}),
      })`,
    )()
  }

  bind(batch: RecordBatch): Add {
    const input: KernelInput = this.#code.needsRows
      ? { sign: 'rows', shapes: 'rows', values: [batch.rows] }
      : kernelInput(batch, this.#code.fields)
    return this.#adders.get(input)(...input.values)
  }

  merge(left: unknown, right: unknown): unknown {
    return this.#kernels.merge(left === undefined ? this.#kernels.create() : left, right)
  }

  emit(accumulator: unknown, key: unknown, start: number, end: number): void {
    this.#emitters.of(undefined).pushAt(this.#kernels.result(accumulator, key, start, end), end - 1)
  }
}

function adderKernel(code: AggregateCode, input: KernelInput): (...values: unknown[]) => Add {
  const { parameters, body } = code.updateCode(input.shapes)
  return compileWith(
    code,
    `return function bind(${parameters.join(', ')}) {
      return function add(acc, i) {
        if (acc === undefined) acc = ${code.createExpression()}
        ${body}
        return acc
      }
    }`,
  )
}

export function aggregateCode(options: WindowAggregateOptions): AggregateCode {
  return new AggregateCode(options.aggregates, options.schema, 'object')
}

/** A user's function that folds two records into one. */
export class ReduceFold implements WindowFold {
  readonly accumulator: SchemaData
  readonly #step: (left: unknown, right: unknown) => unknown
  readonly #emitters: Emitters

  constructor(
    step: (left: unknown, right: unknown) => unknown,
    schema: SchemaData | undefined,
    emitters: Emitters,
  ) {
    this.accumulator = schema ?? { kind: 'packed' }
    this.#step = step
    this.#emitters = emitters
  }

  bind({ rows }: RecordBatch): Add {
    return (reduced, index) => this.merge(reduced, rows[index])
  }

  merge(left: unknown, right: unknown): unknown {
    if (left === undefined) return right
    const reduced = this.#step(left, right)
    if (isPromiseLike(reduced)) throw asyncStep('reduce')
    return reduced
  }

  emit(reduced: unknown, _key: unknown, _start: number, end: number): void {
    this.#emitters.of(undefined).pushAt(reduced, end - 1)
  }
}

/** A user's function over all records of a window. */
export class ProcessFold implements WindowFold {
  readonly accumulator: SchemaData
  readonly #definition: UserDefinition
  readonly #scope: ProcessScope

  constructor(definition: UserDefinition, schema: SchemaData | undefined, emitters: Emitters) {
    this.accumulator = { kind: 'list', item: schema ?? { kind: 'packed' } }
    this.#definition = definition
    this.#scope = new ProcessScope(emitters, undefined, {})
  }

  bind({ rows }: RecordBatch): Add {
    return (records, index) => {
      if (records === undefined) return [rows[index]]
      ;(records as unknown[]).push(rows[index])
      return records
    }
  }

  merge(left: unknown, right: unknown): unknown {
    const all = (left ?? []) as unknown[]
    for (const record of right as readonly unknown[]) all.push(record)
    return all
  }

  emit(records: unknown, key: unknown, start: number, end: number): void {
    const scope = this.#scope
    scope.key = key
    scope.window = { start, end }
    scope.atTime(end - 1)
    const onWindow = this.#definition['onWindow'] as (...given: unknown[]) => unknown
    const returned = onWindow.call(this.#definition, records, scope)
    if (returned !== undefined && isPromiseLike(returned)) throw asyncStep('process')
  }
}

function asyncStep(step: string): StreamError {
  return new StreamError('STEP_ASYNC', `the function of a window's ${step} returned a promise`, {
    hint: ASYNC_HINT,
  })
}
