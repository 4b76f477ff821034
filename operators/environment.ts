import type { Methods, Planner } from './planner.ts'
import type { Sides } from './process.ts'
import type { DataStream } from './streams.ts'
import type { Source, SourceDefinition } from '../engine/operator/source.ts'
import type { CheckpointSettings, RestartSettings } from '../engine/graph/stream-graph.ts'
import { schemaData } from '../engine/stream/schema.ts'
import { DEFAULT_SETTINGS } from '../engine/graph/stream-graph.ts'
import { checkSubtasks, checkUid, MAX_PARALLELISM_MAX } from '../engine/graph/validate.ts'
import { nearest } from '../engine/graph/suggest.ts'
import { MALFORMED_SIDE } from '../engine/operator/source.ts'
import { callSite } from './call-site.ts'
import { here, stepError } from './checks.ts'
import { DataStreamSteps } from './data-stream.ts'
import { DeadLetter } from './dead-letter.ts'
import { GraphBuilder } from './graph-builder.ts'
import type { Step } from './graph-builder.ts'
import { addStep } from './planner.ts'
import { namesShape } from './shapes.ts'
import { planJson } from './plan-json.ts'

export interface CheckpointingOptions {
  /** Time between checkpoints; 0: none but the final one and savepoints. Default 10 s. */
  readonly everyMs?: number
  /** A checkpoint that takes longer is given up. Default 10 minutes. */
  readonly timeoutMs?: number
  /** At least this long between the end of one and the start of the next. Default 0. */
  readonly minPauseMs?: number
  /** How many complete ones are kept. Default 2. */
  readonly retain?: number
  /** How many in a row may fail before the job does. Default 0. */
  readonly tolerableFailures?: number
}

export interface RestartOptions {
  readonly strategy: 'exponential' | 'fixed-delay' | 'none'
  /** Restarts in a row before the job fails for good. Default: without end; fixed-delay 3. */
  readonly attempts?: number
  /** fixed-delay: time before a restart. Default 1 s. */
  readonly delayMs?: number
  /** exponential: first and greatest delay, and what each is multiplied by. 1 s, 1 minute, 2. */
  readonly initialMs?: number
  readonly maxMs?: number
  readonly factor?: number
  /** exponential: time without a failure after which it begins anew. Default 10 minutes. */
  readonly resetAfterMs?: number
}

export interface StreamEnvironment {
  fromSource<T, O extends Sides = {}>(uid: string, source: Source<T, O>): DataStream<T, O>
  checkpointing(options: CheckpointingOptions): void
  restart(options: RestartOptions): void
  /** Subtasks of each step that says nothing else; the command line's word counts more. */
  parallelism(subtasks: number): void
  /** The most subtasks that the job can ever have: how finely its state is cut. Default 128. */
  maxParallelism(subtasks: number): void
}

/** What `env` is below its type. */
export class StreamEnvironmentSteps implements Methods<StreamEnvironment>, Planner {
  readonly builder: GraphBuilder

  constructor(builder: GraphBuilder) {
    this.builder = builder
  }

  stream(parts: Parameters<Planner['stream']>[0]): object {
    return new DataStreamSteps(this, parts)
  }

  fromSource(uid: unknown, source: unknown): object {
    checkUid(uid, 'source', callSite)
    const definition = source as SourceDefinition | undefined
    if (typeof definition?.createReader !== 'function') {
      throw stepError(
        'OPTION_INVALID',
        `"${uid}" is not given a source`,
        'Give it a source, for example fileSource({ path, format }).',
        uid,
      )
    }
    const step: Step = {
      kind: 'source',
      uid,
      parameters: { source: definition.kind, options: planJson(definition.parameters) },
      shape: definition.schema ?? namesShape(definition.fields),
      inputs: [],
      runtime: { type: 'source', source: definition },
    }
    const hasLetters = definition.onMalformed === 'dead-letter'
    return addStep(this, step, hasLetters ? { [MALFORMED_SIDE]: schemaData(DeadLetter) } : {})
  }

  checkpointing(options: CheckpointingOptions): void {
    const defaults = DEFAULT_SETTINGS.checkpointing
    checkNames('env.checkpointing', options, Object.keys(defaults))
    const { everyMs } = options
    const checkpointing: CheckpointSettings = {
      ...defaults,
      ...defined(options),
      everyMs: everyMs === undefined ? defaults.everyMs : everyMs === 0 ? undefined : everyMs,
    }
    this.builder.settings = { ...this.builder.settings, checkpointing }
  }

  restart(options: RestartOptions): void {
    const restart = restartSettings(options)
    this.builder.settings = { ...this.builder.settings, restart }
  }

  parallelism(subtasks: number): void {
    checkSubtasks('the job', subtasks, MAX_PARALLELISM_MAX, here())
    this.builder.settings = { ...this.builder.settings, parallelism: subtasks }
  }

  maxParallelism(subtasks: number): void {
    checkSubtasks('env.maxParallelism', subtasks, MAX_PARALLELISM_MAX, here())
    this.builder.settings = { ...this.builder.settings, maxParallelism: subtasks }
  }
}

const FIXED_DELAY: Extract<RestartSettings, { strategy: 'fixed-delay' }> = {
  strategy: 'fixed-delay',
  attempts: 3,
  delayMs: 1_000,
}

function restartSettings(options: RestartOptions): RestartSettings {
  const exponential = DEFAULT_SETTINGS.restart as Extract<
    RestartSettings,
    { strategy: 'exponential' }
  >
  switch (options.strategy) {
    case 'none':
      checkNames('env.restart', options, ['strategy'])
      return { strategy: 'none' }
    case 'fixed-delay':
      checkNames('env.restart', options, Object.keys(FIXED_DELAY))
      return { ...FIXED_DELAY, ...defined(options), strategy: 'fixed-delay' }
    case 'exponential':
      checkNames('env.restart', options, Object.keys(exponential))
      return { ...exponential, ...defined(options), strategy: 'exponential' }
    default:
      options.strategy satisfies never
      throw stepError(
        'OPTION_INVALID',
        `env.restart: strategy is ${JSON.stringify(options.strategy)}`,
        "Give 'exponential', 'fixed-delay' or 'none'.",
      )
  }
}

function checkNames(where: string, options: object, known: readonly string[]): void {
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue
    const near = nearest(name, known)
    throw stepError(
      'OPTION_INVALID',
      `${where} has no option "${name}"`,
      near === undefined ? `It has: ${known.join(', ')}.` : `Did you mean "${near}"?`,
    )
  }
}

/** The options that were given: `undefined` is as good as not there. */
function defined<O extends object>(options: O): Partial<O> {
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  return Object.fromEntries(given) as Partial<O>
}
