/** What the tests of plans share: sources and sinks that only stand in a plan. */
import type { SourceDefinition } from '../engine/operator/source.ts'
import type { StreamGraph } from '../engine/graph/stream-graph.ts'
import type { DataStream, KeyedStream, Schema, StreamEnvironment, WindowedStream } from './index.ts'
import { expect } from 'vitest'
import { assert } from '../engine/base/assert.ts'
import { StreamError } from '../engine/base/errors.ts'
import { jobDefinition } from '../engine/graph/job-definition.ts'
import { sinkOf } from '../engine/operator/sink.ts'
import { sourceOf } from '../engine/operator/source.ts'
import { schemaData } from '../engine/stream/schema.ts'
import { defineJob, float64, int32, int64, struct, timestamp, utf8 } from './index.ts'

export const Click = struct({ user: utf8(), url: utf8(), at: timestamp() })
export const Bid = struct({ auction: int32(), price: float64(), big: int64(), at: timestamp() })

/** A step as a job in plain JavaScript may call it: unknown to the compiler. */
export type Loose = Readonly<
  Record<
    Extract<
      | keyof DataStream<unknown>
      | keyof KeyedStream<unknown, unknown, never>
      | keyof WindowedStream<unknown, unknown, never>,
      string
    >,
    (...given: readonly unknown[]) => Loose
  >
>

export function source(schema?: Schema<unknown>): SourceDefinition {
  return {
    kind: 'test',
    parameters: {},
    bounded: true,
    ...(schema === undefined ? {} : { schema: schemaData(schema) }),
    createEnumerator: nothing,
    createReader: nothing,
  }
}

export const clicksOf = (env: StreamEnvironment): Loose =>
  env.fromSource('clicks', sourceOf(source(Click))) as unknown as Loose
export const bidsOf = (env: StreamEnvironment): Loose =>
  env.fromSource('bids', sourceOf(source(Bid))) as unknown as Loose

export function sink(schema?: Schema<unknown>): unknown {
  return sinkOf({
    kind: 'test',
    parameters: {},
    ...(schema === undefined ? {} : { schema: schemaData(schema) }),
    createWriter: nothing,
  })
}

export function graphOf(build: (env: StreamEnvironment) => unknown): StreamGraph {
  return jobDefinition(
    defineJob('test', (env) => {
      build(env)
    }),
  ).build({})
}

function nothing(): never {
  assert(false, 'a plan starts nothing')
}

/** The error that planning the job ends with. */
export function errorOf(build: (env: StreamEnvironment) => unknown): StreamError {
  try {
    graphOf(build)
  } catch (error) {
    expect(error).toBeInstanceOf(StreamError)
    return error as StreamError
  }
  return expect.fail('the job was planned')
}
