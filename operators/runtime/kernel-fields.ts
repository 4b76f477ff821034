import type { Column } from '../../engine/stream/columns.ts'
import type { RecordBatch } from '../../engine/stream/record-batch.ts'
import { fieldExpression } from '../../engine/stream/key-selector.ts'
import { readTexts } from '../../engine/stream/column-text.ts'
import { FieldColumns } from '../../engine/stream/column-set.ts'
import { TEXT_FORM } from '../../engine/stream/wire-schema.ts'

/**
 * How generated code reads the fields of a batch: from its rows, or from its columns with no row
 * made. One kernel is generated for each combination of column kinds, so none ever sees two kinds
 * of array.
 */
export interface KernelInput {
  /** Equal signs have equal code. */
  readonly sign: string
  readonly shapes: readonly FieldShape[] | 'rows'
  /** What the generated parameters are bound to: `rows`, or values and validity of each field. */
  readonly values: readonly unknown[]
}

export type FieldShape = 'float64' | 'int32' | 'int64' | 'bool' | 'utf8' | 'missing' | NullableShape
type NullableShape = `${'float64' | 'int32' | 'int64' | 'bool' | 'utf8'}?`

/** A value in generated code. Type 'any': a row's, of which nothing is known but that it may be null. */
export interface Reference {
  readonly code: string
  readonly type: 'any' | 'number' | 'bigint' | 'string' | 'boolean'
  readonly isNullable: boolean
}

/** The fields as generated code sees them at record `i`. */
export interface FieldCode {
  readonly parameters: readonly string[]
  /** Statements at the head of the loop's body. */
  readonly loads: readonly string[]
  readonly references: ReadonlyMap<string, Reference>
}

/** Columns where they are there and hold what generated code can read; else rows. */
export function kernelInput(batch: RecordBatch, fields: readonly string[]): KernelInput {
  return columnInput(batch, fields) ?? { sign: 'rows', shapes: 'rows', values: [batch.rows] }
}

export function columnInput(
  batch: RecordBatch,
  fields: readonly string[],
): KernelInput | undefined {
  const { columns } = batch
  if (columns === undefined) return undefined
  const shapes: FieldShape[] = []
  const values: unknown[] = []
  for (const field of fields) {
    const index = columns.names.indexOf(field)
    const column = index < 0 ? undefined : columns.columns[index]!
    const shape = column === undefined ? 'missing' : shapeOf(column)
    if (shape === undefined) return undefined
    shapes.push(shape)
    values.push(column?.kind === 'utf8' ? columnTexts(columns, index) : valuesOf(column))
    values.push(column?.validity)
  }
  return { sign: shapes.join(' '), shapes, values }
}

/** The strings of a text column; empty where there is none. */
export function columnTexts(columns: NonNullable<RecordBatch['columns']>, index: number): string[] {
  const column = columns.columns[index]!
  const texts = new Array<string>(columns.count)
  if (column.kind !== 'utf8') return texts
  const detail = columns instanceof FieldColumns ? columns.details[index] : undefined
  const form = detail?.form ?? TEXT_FORM.unknown
  readTexts(column.bytes, column.offsets, detail?.units, columns.count, form, texts)
  return texts
}

/** The code that reads `fields` from input of these shapes. */
export function fieldCode(fields: readonly string[], shapes: KernelInput['shapes']): FieldCode {
  return shapes === 'rows' ? rowCode(fields) : columnCode(fields, shapes)
}

function rowCode(fields: readonly string[]): FieldCode {
  const loads = fields.length === 0 ? [] : ['const row = rows[i]']
  const references = new Map<string, Reference>()
  for (const [index, field] of fields.entries()) {
    loads.push(`const f${index} = ${fieldExpression('row', field)}`)
    references.set(field, { code: `f${index}`, type: 'any', isNullable: true })
  }
  return { parameters: ['rows'], loads, references }
}

function columnCode(fields: readonly string[], shapes: readonly FieldShape[]): FieldCode {
  const parameters: string[] = []
  const loads: string[] = []
  const references = new Map<string, Reference>()
  for (const [index, field] of fields.entries()) {
    const shape = shapes[index]!
    const isNullable = shape.endsWith('?')
    parameters.push(`v${index}`, `n${index}`)
    if (shape === 'missing') {
      references.set(field, { code: 'null', type: 'any', isNullable: true })
      continue
    }
    const kind = isNullable ? shape.slice(0, -1) : shape
    const value = kind === 'bool' ? `(v${index}[i] !== 0)` : `v${index}[i]`
    const valid = `(n${index}[i >> 3] & (1 << (i & 7))) !== 0`
    loads.push(`const f${index} = ${isNullable ? `${valid} ? ${value} : null` : value}`)
    references.set(field, {
      code: `f${index}`,
      type: TYPES[kind as keyof typeof TYPES],
      isNullable,
    })
  }
  return { parameters, loads, references }
}

const TYPES = {
  float64: 'number',
  int32: 'number',
  int64: 'bigint',
  bool: 'boolean',
  utf8: 'string',
} as const

/** Undefined: only its rows can be read. */
function shapeOf(column: Column): FieldShape | undefined {
  if (column.kind === 'packed' || column.kind === 'binary') return undefined
  const kind = column.kind === 'timestamp' ? 'float64' : column.kind
  return column.validity === undefined ? kind : `${kind}?`
}

function valuesOf(column: Column | undefined): unknown {
  return column === undefined || !('values' in column) ? undefined : column.values
}

/** Kernels by what they were generated for; the oldest half of use is not worth telling apart. */
export class KernelCache<K> {
  readonly #kernels = new Map<string, K>()
  readonly #generate: (input: KernelInput) => K
  #lastSign: string | undefined
  #last: K | undefined

  constructor(generate: (input: KernelInput) => K) {
    this.#generate = generate
  }

  get(input: KernelInput): K {
    if (this.#lastSign === input.sign) return this.#last!
    let kernel = this.#kernels.get(input.sign)
    if (kernel === undefined) {
      if (this.#kernels.size === KERNELS_MAX) this.#kernels.clear()
      kernel = this.#generate(input)
      this.#kernels.set(input.sign, kernel)
    }
    this.#lastSign = input.sign
    this.#last = kernel
    return kernel
  }
}

const KERNELS_MAX = 64

/** Compiles `source`, a function body that returns the kernel, with `given` in its scope. */
export function compileKernel(
  source: string,
  given: Readonly<Record<string, unknown>>,
): (...parameters: unknown[]) => unknown {
  const make = new Function(...Object.keys(given), `"use strict"\n${source}`) as (
    ...values: unknown[]
  ) => (...parameters: unknown[]) => unknown
  return make(...Object.values(given))
}
