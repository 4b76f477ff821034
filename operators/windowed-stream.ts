/** What the methods of windowed streams do. */
import type { Step } from './graph-builder.ts'
import type { DeclaredSides, KeyedParts } from './keyed-parts.ts'
import type { Methods } from './planner.ts'
import type { UserFunction } from './runtime/options.ts'
import type { WindowedStream } from './streams.ts'
import type { WindowData } from './windows.ts'
import type { Json } from '../engine/base/json.ts'
import { checkUid } from '../engine/graph/validate.ts'
import { callSite } from './call-site.ts'
import { checkDefinition, checkFunction, stepError } from './checks.ts'
import {
  addKeyed,
  aggregatesJson,
  aggregation,
  declared,
  functionAggregates,
  schemaOf,
} from './keyed-parts.ts'
import { PARTS } from './planner.ts'
import { planJson } from './plan-json.ts'
import {
  createWindowAggregate,
  createWindowProcess,
  createWindowReduce,
} from './runtime/factories.ts'

export class WindowedStreamSteps implements Methods<WindowedStream<unknown, unknown, never>> {
  readonly #keyed: KeyedParts
  readonly #windows: WindowData
  readonly #allowedLatenessMs: number

  constructor(keyed: KeyedParts, windows: WindowData, allowedLatenessMs: number) {
    this.#keyed = keyed
    this.#windows = windows
    this.#allowedLatenessMs = allowedLatenessMs
  }

  allowedLateness(durationMs: number): object {
    if (!Number.isSafeInteger(durationMs) || durationMs < 0) {
      throw stepError(
        'OPTION_INVALID',
        `allowedLateness is ${String(durationMs)}`,
        'Give a duration of 0 or more, for example minutes(5).',
      )
    }
    return new WindowedStreamSteps(this.#keyed, this.#windows, durationMs)
  }

  aggregate(uid: unknown, given: unknown): object {
    checkUid(uid, 'window', callSite)
    const { options, shape } = aggregation(this.#keyed, uid, given, true)
    return this.#add({
      kind: 'window-aggregate',
      uid,
      parameters: this.#parameters(aggregatesJson(this.#keyed.key, options.aggregates)),
      shape,
      functionSlots: functionAggregates(options.aggregates),
      runtime: createWindowAggregate({ ...options, ...this.#options }),
    })
  }

  reduce(uid: unknown, step: UserFunction): object {
    checkUid(uid, 'window', callSite)
    checkFunction(step, 'reduce', uid)
    const { key } = this.#keyed
    return this.#add({
      kind: 'window-reduce',
      uid,
      parameters: this.#parameters(planJson({ key })),
      shape: this.#keyed[PARTS].shape,
      functionSlots: 1,
      runtime: createWindowReduce({ key, schema: schemaOf(this.#keyed), step, ...this.#options }),
    })
  }

  process(uid: unknown, definition: unknown): object {
    checkUid(uid, 'window', callSite)
    checkDefinition(definition, ['emits', 'onWindow'], ['sides'], uid)
    const { emits, sides } = declared(definition)
    if (Object.hasOwn(sides, 'late')) {
      throw stepError(
        'FIELD_CLASH',
        `"${uid}" declares a side output "late"`,
        'Rename it: late records of the window go to a side output of that name.',
        uid,
      )
    }
    const { key } = this.#keyed
    const step = {
      kind: 'window-process',
      uid,
      parameters: this.#parameters(planJson({ key, emits, sides })),
      shape: emits,
      functionSlots: 1,
      runtime: createWindowProcess({
        key,
        schema: schemaOf(this.#keyed),
        definition,
        sides: Object.keys(sides),
        ...this.#options,
      }),
    }
    return this.#add(step, sides)
  }

  get #options(): { readonly windows: WindowData; readonly allowedLatenessMs: number } {
    return { windows: this.#windows, allowedLatenessMs: this.#allowedLatenessMs }
  }

  #parameters(more: Json): Json {
    return { ...(more as object), ...(planJson(this.#options) as object) }
  }

  #add(step: Omit<Step, 'inputs' | 'eventTime'>, sides: DeclaredSides = {}): object {
    const late = this.#keyed[PARTS].shape
    return addKeyed(this.#keyed, { ...step, eventTime: 'needs' }, { ...sides, late })
  }
}
