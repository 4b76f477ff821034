/** What the methods of a DataStream do: each adds a step to the graph. */
import type { SideShapes, StreamParts } from './planner.ts'
import type { Methods, PlannedStream, Planner } from './planner.ts'
import type { Step } from './graph-builder.ts'
import type { DataStream } from './streams.ts'
import type { UserFunction } from './runtime/options.ts'
import type { SinkDefinition } from '../engine/operator/sink.ts'
import type { KeySelector } from '../engine/stream/keys.ts'
import type { SchemaData } from '../engine/stream/schema.ts'
import { checkSinkFits, checkUid } from '../engine/graph/validate.ts'
import { valueKind } from '../engine/graph/schema-fit.ts'
import { nearest } from '../engine/graph/suggest.ts'
import { PassThrough } from '../engine/task/pass-through.ts'
import { callSite } from './call-site.ts'
import {
  checkColumns,
  checkDefinition,
  checkExpression,
  checkField,
  checkFieldKind,
  checkFunction,
  checkPredicate,
  checkSynchronous,
  here,
  stepError,
} from './checks.ts'
import { expressionData, predicateData } from './expressions.ts'
import { declared } from './keyed-parts.ts'
import { KeyedStreamSteps } from './keyed-stream.ts'
import { addStep, notInThisVersion, PARTS, partsOf, repartitioned } from './planner.ts'
import { planJson } from './plan-json.ts'
import {
  createFilter,
  createFlatMap,
  createMap,
  createPick,
  createProcess,
  createSelect,
  createWatermarks,
  createWhere,
} from './runtime/factories.ts'
import {
  commonShape,
  expressionShape,
  fieldShape,
  isExact,
  pickShape,
  rankedShape,
  shapeOf,
  WINDOW_COLUMNS,
} from './shapes.ts'
import { orderedPredicate } from './text-order.ts'
import { createTopN, WINDOW_KEY } from './runtime/top-n.ts'
import { fieldNames } from '../engine/stream/schema.ts'
import type { TopNOptions } from './runtime/top-n.ts'
import { strategyData } from './watermarks.ts'

export class DataStreamSteps implements Methods<DataStream<unknown>>, PlannedStream {
  readonly planner: Planner
  readonly [PARTS]: StreamParts

  constructor(planner: Planner, parts: StreamParts) {
    this.planner = planner
    this[PARTS] = parts
  }

  map(step: UserFunction): object {
    checkFunction(step, 'map')
    return this.#add({ kind: 'map', functionSlots: 1, runtime: createMap({ step }) })
  }

  flatMap(step: UserFunction): object {
    checkFunction(step, 'flatMap')
    return this.#add({ kind: 'flatMap', functionSlots: 1, runtime: createFlatMap({ step }) })
  }

  filter(step: UserFunction): object {
    checkFunction(step, 'filter')
    const runtime = createFilter({ step })
    return this.#add({ kind: 'filter', shape: this.#shape, functionSlots: 1, runtime })
  }

  where(given: unknown): object {
    const asked = predicateData(given)
    checkPredicate(this.#shape, asked, 'where')
    const predicate = orderedPredicate(this.#shape, asked)
    return this.#add({
      kind: 'where',
      parameters: planJson({ predicate }),
      shape: this.#shape,
      runtime: createWhere({ predicate, schema: this.#schema }),
    })
  }

  select(given: Readonly<Record<string, unknown>>): object {
    const columns = Object.entries(given).map(([name, of]) => ({ name, of: expressionData(of) }))
    if (columns.length === 0) {
      throw stepError('OPTION_INVALID', 'select names no column', 'Name the columns of the result.')
    }
    for (const { of } of columns) checkExpression(this.#shape, of, 'select')
    const shape = shapeOf(
      columns.map(({ name, of }) => ({ name, schema: expressionShape(this.#shape, of) })),
    )
    const result = isExact(shape) ? shape : undefined
    return this.#add({
      kind: 'select',
      parameters: planJson({ columns }),
      shape,
      runtime: createSelect({ columns, schema: this.#schema, result }),
    })
  }

  pick(...fields: readonly string[]): object {
    if (fields.length === 0) {
      throw stepError('OPTION_INVALID', 'pick names no field', 'Name the fields to keep.')
    }
    for (const name of fields) checkField(this.#shape, name, 'pick')
    checkColumns(fields, 'pick')
    return this.#add({
      kind: 'pick',
      parameters: planJson({ fields }),
      shape: pickShape(this.#shape, fields),
      runtime: createPick({ fields, schema: this.#schema }),
    })
  }

  asyncMap(): never {
    return notInThisVersion('asyncMap', 'Look things up in a broadcast stream instead.')
  }

  topN(uid: unknown, given: Partial<Omit<TopNOptions, 'schema'>>): object {
    checkUid(uid, 'topN', callSite)
    const options = this.#topNOptions(uid, given)
    const inputs = [repartitioned(this[PARTS].upstreams, { type: 'hash', key: WINDOW_KEY })]
    const { schema, ...parameters } = options
    return addStep(this.planner, {
      kind: 'top-n',
      uid,
      parameters: planJson(parameters),
      shape: rankedShape(this.#shape),
      keys: [WINDOW_KEY],
      eventTime: 'needs',
      inputs,
      runtime: createTopN({ ...parameters, schema }),
    })
  }

  union(...others: readonly unknown[]): object {
    const all = [this[PARTS], ...others.map((other) => partsOf(other, this.planner, 'union'))]
    return this.planner.stream({
      upstreams: all.flatMap((parts) => parts.upstreams),
      shape: commonShape(all.map((parts) => parts.shape)),
      sides: {},
      last: others.length === 0 ? this[PARTS].last : undefined,
    })
  }

  rebalance(): object {
    return this.#repartition({ type: 'rebalance' })
  }

  global(): object {
    return this.#repartition({ type: 'global' })
  }

  /** The stream passes one subtask, so that every receiver gets the records in the same order. */
  broadcast(): object {
    const node = this.planner.builder.add({
      kind: 'broadcast',
      parallelism: 1,
      shape: this.#shape,
      inputs: [this[PARTS].upstreams],
      runtime: { states: [], create: () => new PassThrough() },
    })
    return new BroadcastStreamSteps(this.planner, {
      upstreams: [{ node, side: undefined, partitioning: { type: 'broadcast' } }],
      shape: this.#shape,
      sides: {},
      last: node,
    })
  }

  assignTimestampsAndWatermarks(
    given: string | ((record: never) => number),
    givenStrategy: unknown,
  ): object {
    const strategy = strategyData(givenStrategy)
    const isFunction = typeof given === 'function'
    checkSynchronous(given, 'assignTimestampsAndWatermarks')
    if (!isFunction) {
      checkFieldKind(this.#shape, given, ['a number'], 'assignTimestampsAndWatermarks')
    }
    const { generator, idleMs, alignment } = strategy
    return this.#add({
      kind: 'watermarks',
      parameters: planJson({ time: isFunction ? null : given, generator, idleMs, alignment }),
      shape: this.#shape,
      functionSlots: (isFunction ? 1 : 0) + (generator.type === 'own' ? 1 : 0),
      eventTime: 'assigns',
      alignment,
      runtime: createWatermarks({
        time: isFunction ? { type: 'function', select: given } : { type: 'field', field: given },
        strategy,
      }),
    })
  }

  keyBy(key: unknown): object {
    return new KeyedStreamSteps(this.planner, this[PARTS], this.#keySelector(key))
  }

  process(uid: unknown, definition: unknown): object {
    checkUid(uid, 'process', callSite)
    checkDefinition(definition, ['emits', 'onRecord'], ['sides'], uid)
    const { emits, sides } = declared(definition)
    const names = Object.keys(sides)
    const step = {
      kind: 'process',
      uid,
      parameters: planJson({ emits, sides }),
      shape: emits,
      functionSlots: 1,
      runtime: createProcess({ definition, sides: names }),
    }
    return this.#add(step, sides)
  }

  sideOutput(name: string): object {
    const { sides, upstreams, sideSources = {} } = this[PARTS]
    const isKnown = sides === 'any' ? typeof name === 'string' : Object.hasOwn(sides, name)
    if (!isKnown) throw unknownSide(name, sides)
    const sources = Object.hasOwn(sideSources, name) ? sideSources[name]! : []
    return this.planner.stream({
      ...this[PARTS],
      upstreams: [...upstreams, ...sources].map((upstream) => ({ ...upstream, side: name })),
      sideSources: {},
      shape: sides === 'any' ? undefined : sides[name],
      sides: {},
    })
  }

  sinkTo(uid: unknown, sink: unknown): void {
    checkUid(uid, 'sink', callSite)
    const definition = sink as SinkDefinition | undefined
    if (typeof definition?.createWriter !== 'function') {
      throw stepError(
        'OPTION_INVALID',
        `"${uid}" is not given a sink`,
        'Give it a sink, for example printSink().',
        uid,
      )
    }
    checkSinkFits(uid, this.#shape, definition, here(uid))
    this.planner.builder.add({
      kind: 'sink',
      uid,
      parameters: { sink: definition.kind, options: planJson(definition.parameters) },
      inputs: [this[PARTS].upstreams],
      runtime: { type: 'sink', sink: definition },
    })
  }

  named(name: string): this {
    if (typeof name !== 'string' || name === '') {
      throw stepError('OPTION_INVALID', 'named() is given no name', 'Give the name as text.')
    }
    this.planner.builder.name(this.#last('named'), name)
    return this
  }

  parallelism(subtasks: number): this {
    this.planner.builder.parallelism(this.#last('parallelism'), subtasks)
    return this
  }

  get #shape(): SchemaData | undefined {
    return this[PARTS].shape
  }

  get #schema(): SchemaData | undefined {
    return isExact(this.#shape) ? this.#shape : undefined
  }

  #add(step: Omit<Step, 'inputs'>, sides: SideShapes = {}): object {
    return addStep(this.planner, { ...step, inputs: [this[PARTS].upstreams] }, sides)
  }

  #repartition(partitioning: { readonly type: 'rebalance' | 'global' }): object {
    const upstreams = repartitioned(this[PARTS].upstreams, partitioning)
    return this.planner.stream({ ...this[PARTS], upstreams })
  }

  #topNOptions(uid: string, given: Partial<Omit<TopNOptions, 'schema'>>): TopNOptions {
    const { n, by = '', order = 'descending' } = given
    for (const name of WINDOW_COLUMNS) checkField(this.#shape, name, 'topN', uid)
    checkFieldKind(this.#shape, by, ['a number', 'a bigint'], 'topN', uid)
    if (fieldNames(this.#shape)?.includes('rank') === true) {
      throw stepError('FIELD_CLASH', `the records of "${uid}" have a "rank"`, 'Rename it.', uid)
    }
    if (!Number.isSafeInteger(n) || n! < 1) {
      throw stepError('OPTION_INVALID', `topN "${uid}": n is ${String(n)}`, 'Give 1 or more.', uid)
    }
    for (const { node } of this[PARTS].upstreams) {
      if (!this.planner.builder.firesTwice(node)) continue
      throw stepError(
        'OPTION_INVALID',
        `topN "${uid}" stands behind a window with allowedLateness`,
        'Remove allowedLateness: this version ranks each window once.',
        uid,
      )
    }
    return { n: n!, by, order, schema: this.#schema }
  }

  #last(method: string): number {
    const { last } = this[PARTS]
    if (last !== undefined) return last
    throw stepError(
      'OPTION_INVALID',
      `${method} stands behind a union`,
      'Put it behind a step: a union is none.',
    )
  }

  #keySelector(key: unknown): KeySelector {
    if (typeof key === 'function') {
      checkSynchronous(key, 'keyBy')
      return { type: 'function', select: key as (record: never) => unknown }
    }
    const fields = (Array.isArray(key) ? key : [key]) as readonly string[]
    if (fields.length === 0) {
      throw stepError('FIELD_UNKNOWN', 'keyBy names no field', 'Name at least one.')
    }
    for (const name of fields) checkField(this.#shape, name, 'keyBy')
    checkColumns(fields, 'keyBy')
    const kinds = fields.map((name) => valueKind(fieldShape(this.#shape, name)) ?? null)
    const known = kinds.every((kind) => kind === null) ? {} : { kinds }
    return Array.isArray(key)
      ? { type: 'fields', fields: [...fields], ...known }
      : { type: 'field', field: fields[0]!, ...known }
  }
}

export class BroadcastStreamSteps implements PlannedStream {
  readonly planner: Planner
  readonly [PARTS]: StreamParts

  constructor(planner: Planner, parts: StreamParts) {
    this.planner = planner
    this[PARTS] = parts
  }
}

function unknownSide(name: unknown, sides: SideShapes): Error {
  const known = sides === 'any' ? [] : Object.keys(sides)
  const near = typeof name === 'string' ? nearest(name, known) : undefined
  const has = known.length === 0 ? 'It has none.' : `It has: ${known.join(', ')}.`
  const late = "Windows have it, and process functions with order: 'event-time'."
  const guess = name === 'late' ? late : near === undefined ? '' : `Did you mean "${near}"?`
  return stepError(
    'FIELD_UNKNOWN',
    `the step has no side output "${String(name)}"`,
    `${guess} ${has}`.trim(),
  )
}
