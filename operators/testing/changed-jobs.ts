/** What the tests of changed jobs share: jobs, a checkpoint of one, and how another fits it. */
import { expect } from 'vitest'
import type { StreamError } from '../../engine/base/errors.ts'
import type { FitOptions } from '../../engine/checkpoint/fit-options.ts'
import { fitToJob, type HeldStates } from '../../engine/checkpoint/fits-job.ts'
import { jobFacts } from '../../engine/checkpoint/job-facts.ts'
import type { CheckpointManifest } from '../../engine/checkpoint/manifest.ts'
import { sampleManifest, stateFile } from '../../engine/checkpoint/testing/manifests.ts'
import { toJobGraph } from '../../engine/graph/chaining.ts'
import type { StreamEnvironment } from '../index.ts'
import {
  boundedOutOfOrderness,
  count,
  int32,
  KeyedProcessFunction,
  max,
  minutes,
  seconds,
  struct,
  tumbling,
} from '../index.ts'
import { bidsOf, Click, clicksOf, graphOf, sink, type Loose } from '../testing.ts'

export type Build = (env: StreamEnvironment) => Loose

export const factsOf = (build: Build): ReturnType<typeof jobFacts> =>
  jobFacts(
    toJobGraph(
      graphOf((env) => build(env).sinkTo('out', sink())),
      2,
    ),
  )

/** A checkpoint of that job, in which each keyed step and each broadcast state holds something. */
export function checkpointOf(build: Build): CheckpointManifest {
  const operators = [...factsOf(build).operators].flatMap(([uid, facts]) => {
    if (facts.declared.keys.every((key) => key === null)) return []
    const { reference } = stateFile(uid, 0, 1, 'x')
    const hasBroadcast = facts.declared.broadcast.length > 0
    const broadcast = hasBroadcast ? { broadcast: { hash: 'h', file: reference } } : {}
    const subtask = { chain: [reference], watermarkMs: 0, ...broadcast }
    const { kind, maxParallelism, states: descriptors, declared } = facts
    const part = { parallelism: 1, maxParallelism, descriptors, codecVersion: 1 }
    return [{ uid, kind, ...part, declared, subtasks: [subtask] }]
  })
  return JSON.parse(
    JSON.stringify(sampleManifest({ operators, sources: [], sinks: [] })),
  ) as CheckpointManifest
}

export interface Given extends Partial<FitOptions> {
  readonly held?: HeldStates
}

export function fit(
  before: Build,
  after: Build,
  given: Given = {},
): CheckpointManifest | StreamError {
  const { held, ...flags } = given
  try {
    const options = { dropState: [], renameUid: {}, ...flags }
    return fitToJob(checkpointOf(before), factsOf(after), options, held)
  } catch (error) {
    return error as StreamError
  }
}

export function expectRefused(found: unknown, code: string, message: RegExp, hint: RegExp): void {
  expect(found).toMatchObject({ code })
  expect((found as StreamError).message).toMatch(message)
  expect((found as StreamError).hint).toMatch(hint)
}

/** The flags of a hint, as the command line would give them. */
export function flagsOf(hint: string): readonly Given[] {
  const flags: Given[] = []
  for (const [, flag, word] of hint.matchAll(/(--[a-z-]+) ('(?:[^']|'\\'')*'|[\w.:=-]*\w)/g)) {
    const isQuoted = word!.startsWith("'")
    const value = isQuoted ? word!.slice(1, -1).replaceAll("'\\''", "'") : word!
    const pair = { [value.split('=')[0]!]: value.split('=')[1]! }
    if (flag === '--drop-state') flags.push({ dropState: [value] })
    else if (flag === '--keep-state') flags.push({ keepState: [value] })
    else if (flag === '--rename-state') flags.push({ renameState: pair })
    else throw new Error(`nobody follows ${flag}`)
  }
  return flags
}

export const Acc = struct({ n: int32() })
export const byHand =
  (state: Readonly<Record<string, unknown>>, more: object = {}): Build =>
  (env) =>
    clicksOf(env)
      .keyBy('user')
      .process('acc', { emits: Click, state, onRecord: () => undefined, ...more })
export const keyed =
  (key: unknown): Build =>
  (env) =>
    bidsOf(env).keyBy(key).aggregate('counts', { n: count() })
export const windowed =
  (windows: unknown, aggregates: object = { n: count(), top: max('price') }): Build =>
  (env) =>
    bidsOf(env)
      .assignTimestampsAndWatermarks('at', boundedOutOfOrderness(seconds(1)))
      .keyBy('auction')
      .window(windows)
      .aggregate('hourly', aggregates)
export const running =
  (aggregates: object): Build =>
  (env) =>
    bidsOf(env).keyBy('auction').aggregate('totals', aggregates)

export function joined(lower: number, upper: number): Build {
  return (env) => {
    const [left, right] = ['a', 'b'].map((name) =>
      bidsOf({
        fromSource: (_: string, ...rest: [never]) => env.fromSource(name, ...rest),
      } as unknown as StreamEnvironment)
        .assignTimestampsAndWatermarks('at', boundedOutOfOrderness(seconds(1)))
        .keyBy('auction'),
    )
    const bounds = { lower: minutes(lower), upper: minutes(upper) }
    return left!.intervalJoin('pairs', right, bounds, (bid: unknown) => bid)
  }
}

export function ranked(by: string): Build {
  return (env) => windowed(tumbling(minutes(60)))(env).topN('best', { n: 3, by })
}

export function ruled(broadcast: object): Build {
  return (env) =>
    (clicksOf(env).keyBy('user') as unknown as { connect(other: unknown): Loose })
      .connect(bidsOf(env).broadcast())
      .process('ruled', {
        emits: Click,
        broadcast,
        onRecord: () => undefined,
        onBroadcast: () => undefined,
      })
}

export class Counting extends KeyedProcessFunction<string, unknown, unknown> {
  readonly n = this.valueState('n', int32())

  processElement(): void {
    this.n.update(1)
  }
}
