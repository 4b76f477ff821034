import { expect, test } from 'vitest'
import type { SchemaData } from '../stream/schema.ts'
import { misfit } from './schema-fit.ts'
import { nearest } from './suggest.ts'
import { checkUid, validateGraph } from './validate.ts'
import { DEFAULT_SETTINGS } from './stream-graph.ts'
import type { StreamGraph, StreamNode } from './stream-graph.ts'

function node(id: number): StreamNode {
  return {
    id,
    uid: `n${id}`,
    name: `n${id}`,
    kind: 'map',
    parameters: {},
    parallelism: undefined,
    maxParallelism: undefined,
    at: 'job.ts:1',
    schema: undefined,
    states: [],
    functionSlots: 0,
    keys: [undefined],
    runtime: { type: 'operator', create: () => expect.fail('a plan starts nothing') },
  }
}

test('a cycle is found, with the steps of it named', () => {
  const links: readonly (readonly [number, number])[] = [
    [0, 1],
    [1, 2],
    [2, 1],
    [2, 3],
    [3, 0],
  ]
  const graph: StreamGraph = {
    job: 'test',
    nodes: [0, 1, 2, 3].map(node),
    edges: links.map(([from, to]) => ({
      from,
      to,
      side: undefined,
      input: 0,
      partitioning: { type: 'forward' },
    })),
    settings: DEFAULT_SETTINGS,
  }
  expect(() => {
    validateGraph(graph)
  }).toThrow('these steps wait for each other: "n0", "n1", "n2", "n3"')
})

test('settings out of their range are refused', () => {
  const graph = (settings: Partial<StreamGraph['settings']>): StreamGraph => ({
    job: 'test',
    nodes: [],
    edges: [],
    settings: { ...DEFAULT_SETTINGS, ...settings },
  })
  const { checkpointing } = DEFAULT_SETTINGS
  expect(() => {
    validateGraph(graph({ checkpointing: { ...checkpointing, retain: 0 } }))
  }).toThrow('env.checkpointing: retain is 0')
  expect(() => {
    validateGraph(graph({ maxParallelism: 40_000 }))
  }).toThrow('env.maxParallelism was given 40000')
  const restart = { strategy: 'fixed-delay', attempts: NaN, delayMs: 1 } as const
  expect(() => {
    validateGraph(graph({ restart }))
  }).toThrow('env.restart: attempts is NaN')
})

test.each(['lake', 'lake.late', 'A-1_b'])('%s is a uid', (uid) => {
  checkUid(uid, 'sink', () => undefined)
})

test.each(['', ' ', '../x', '-a', 'ä', 'x'.repeat(101)])('"%s" is no uid', (uid) => {
  expect(() => {
    checkUid(uid, 'sink', () => 'job.ts:8')
  }).toThrow(/^sink at job\.ts:8 has the uid/)
})

const row = (fields: Readonly<Record<string, SchemaData>>): SchemaData => ({
  kind: 'struct',
  fields: Object.entries(fields).map(([name, schema]) => ({ name, schema })),
})

test('schemas are compared by what JavaScript sees, as deep as they are known', () => {
  const int32 = { kind: 'int32' } as const
  const utf8 = { kind: 'utf8' } as const
  const float64 = { kind: 'float64' } as const
  expect(misfit(row({ a: float64 }), row({ a: int32 }))).toBeUndefined()
  expect(misfit(row({ a: { kind: 'packed' } }), row({ a: int32 }))).toBeUndefined()
  expect(misfit(undefined, row({ a: int32 }))).toBeUndefined()
  expect(misfit(row({ a: int32 }), row({}))).toEqual({ type: 'extra', field: 'a' })
  expect(misfit(row({}), row({ a: int32 }))).toEqual({ type: 'missing', field: 'a' })
  expect(misfit(row({}), row({ a: { kind: 'nullable', of: int32 } }))).toBeUndefined()
  expect(misfit({ kind: 'int64', as: 'bigint' }, int32)).toMatchObject({ found: 'a bigint' })
  const deep = misfit(
    row({ a: { kind: 'list', item: row({ b: utf8 }) } }),
    row({ a: { kind: 'list', item: row({ b: int32 }) } }),
  )
  expect(deep).toEqual({ type: 'kind', field: 'a[].b', found: 'a text', wanted: 'a number' })
})

test.each([
  ['usr', ['user', 'url', 'at'], 'user'],
  ['prise', ['price', 'channel'], 'price'],
  ['acution', ['auction'], 'auction'],
  ['Price', ['price'], 'price'],
  ['every', ['everyMs'], 'everyMs'],
  ['total', ['user', 'url'], undefined],
])('for %s among %j the nearest is %s', (name, known, wanted) => {
  expect(nearest(name, known)).toBe(wanted)
})
