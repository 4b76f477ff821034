import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Partitioning, StreamEdge, StreamGraph, StreamNode } from './stream-graph.ts'
import { chainDecisions, toJobGraph } from './chaining.ts'
import { explainSvg } from './explain-svg.ts'
import { explainJson, explainText } from './explain.ts'
import { compareDeterminism, planData, planHash } from './plan.ts'
import { DEFAULT_SETTINGS } from './stream-graph.ts'

function node(id: number, options: Partial<StreamNode> = {}): StreamNode {
  return {
    id,
    uid: undefined,
    name: `n${id}`,
    kind: 'map',
    parameters: {},
    parallelism: undefined,
    maxParallelism: undefined,
    at: undefined,
    schema: undefined,
    states: [],
    functionSlots: 0,
    keys: [undefined],
    runtime: { type: 'operator', create: () => expect.fail('a plan starts nothing') },
    ...options,
  }
}

function edge(
  from: number,
  to: number,
  type: Exclude<Partitioning['type'], 'hash'> | 'key' | 'function' = 'forward',
  options: Partial<StreamEdge> = {},
): StreamEdge {
  const partitioning: Partitioning =
    type === 'key'
      ? { type: 'hash', key: { type: 'field', field: 'user' } }
      : type === 'function'
        ? { type: 'hash', key: { type: 'function', select: () => 1 } }
        : { type }
  return { from, to, side: undefined, input: 0, partitioning, ...options }
}

function graph(nodes: readonly StreamNode[], edges: readonly StreamEdge[]): StreamGraph {
  return { job: 'test', nodes, edges, settings: DEFAULT_SETTINGS }
}

const chains = (of: StreamGraph, parallelism = 2): readonly (readonly number[])[] =>
  toJobGraph(of, parallelism).vertices.map((vertex) => vertex.chain.map((member) => member.id))

test('neighbours with forward records, one input and equal parallelism share a vertex', () => {
  const line = graph([node(0), node(1), node(2)], [edge(0, 1), edge(1, 2)])
  expect(chains(line)).toEqual([[0, 1, 2]])
  expect(toJobGraph(line, 2).edges).toEqual([])
})

test('an exchange, another parallelism or a second input begins a vertex', () => {
  expect(chains(graph([node(0), node(1)], [edge(0, 1, 'key')]))).toEqual([[0], [1]])
  expect(chains(graph([node(0), node(1)], [edge(0, 1, 'rebalance')]))).toEqual([[0], [1]])
  const narrow = graph([node(0), node(1, { parallelism: 1 })], [edge(0, 1)])
  expect(chains(narrow)).toEqual([[0], [1]])
  expect(toJobGraph(narrow, 2).edges[0]!.partitioning).toEqual({ type: 'rebalance' })
  expect(chains(narrow, 1)).toEqual([[0, 1]])
  const union = graph([node(0), node(1), node(2)], [edge(0, 2), edge(1, 2)])
  expect(chains(union)).toEqual([[0], [1], [2]])
  expect(toJobGraph(union, 2).edges.map((joined) => joined.partitioning.type)).toEqual([
    'forward',
    'forward',
  ])
})

test('a chain is a tree in depth-first order, with the sides its members read', () => {
  const tree = graph(
    [node(0), node(1), node(2), node(3)],
    [edge(0, 1), edge(0, 2, 'forward', { side: 'late' }), edge(1, 3)],
  )
  const [vertex] = toJobGraph(tree, 2).vertices
  expect(vertex!.chain.map((member) => member.id)).toEqual([0, 1, 3, 2])
  expect(vertex!.parents).toEqual([-1, 0, 1, 0])
  expect(vertex!.sides).toEqual([undefined, undefined, undefined, 'late'])
})

test('positions travel to where a function, or the key of one, may fail on a record', () => {
  const positions = (of: StreamGraph): readonly boolean[] =>
    toJobGraph(of, 2).edges.map((joined) => joined.positions)
  const keyed = { keys: [{ type: 'field', field: 'user' }] } as const
  expect(positions(graph([node(0), node(1, keyed)], [edge(0, 1, 'key')]))).toEqual([false])
  const mapped = [node(0), node(1, { ...keyed, functionSlots: 1 })]
  expect(positions(graph(mapped, [edge(0, 1, 'key')]))).toEqual([true])
  // Passed on by a step that keeps its records, for a function behind it.
  const passed = [node(0), node(1), node(2, { functionSlots: 1 })]
  const links = [edge(0, 1, 'rebalance'), edge(1, 2, 'rebalance')]
  expect(positions(graph(passed, links))).toEqual([true, true])
  // Not beyond an aggregate, whose results have no place.
  const counted = [node(0), node(1, keyed), node(2, { functionSlots: 1 })]
  expect(positions(graph(counted, [edge(0, 1, 'key'), edge(1, 2, 'rebalance')]))).toEqual([
    false,
    true,
  ])
  const rekeyed = graph(
    [node(0), node(1), node(2)],
    [edge(0, 1, 'rebalance'), edge(1, 2, 'function')],
  )
  expect(positions(rekeyed)).toEqual([true, false])
})

test('more subtasks than key groups are refused, with the step named', () => {
  const one = graph([node(0, { name: 'clicks' })], [])
  expect(() => toJobGraph(one, 129)).toThrow(
    '"clicks" has a parallelism of 129, the maximum is 128',
  )
})

test('over any graph the job graph keeps J1 to J3 and loses no edge', () => {
  const partitionings = ['forward', 'forward', 'forward', 'key', 'rebalance', 'global'] as const
  const arbitrary = fc
    .array(
      fc.record({
        from: fc.nat(),
        second: fc.option(fc.nat(), { nil: undefined }),
        how: fc.constantFrom(...partitionings),
        parallelism: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
      }),
      { maxLength: 12 },
    )
    .map((steps) => {
      const nodes = [node(0)]
      const edges: StreamEdge[] = []
      for (const { from, second, how, parallelism } of steps) {
        const id = nodes.length
        nodes.push(node(id, { parallelism }))
        edges.push(edge(from % id, id, how))
        if (second !== undefined) edges.push(edge(second % id, id, how))
      }
      return graph(nodes, edges)
    })
  fc.assert(
    fc.property(arbitrary, (of) => {
      const { vertices, edges } = toJobGraph(of, 2)
      const members = vertices.flatMap((vertex) => vertex.chain.map((member) => member.id))
      expect([...members].sort((a, b) => a - b)).toEqual(of.nodes.map(({ id }) => id))
      let chained = 0
      for (const [id, vertex] of vertices.entries()) {
        expect(vertex.id).toBe(id)
        expect(vertex.parents[0]).toBe(-1)
        for (const [index, parent] of vertex.parents.entries()) {
          expect(parent).toBeLessThan(index)
          if (index > 0) expect(parent).toBeGreaterThanOrEqual(0)
        }
        chained += vertex.chain.length - 1
        for (const input of vertex.inputs) expect(edges[input]!.toVertex).toBe(id)
        for (const output of vertex.outputs) expect(edges[output]!.fromVertex).toBe(id)
      }
      expect(edges.length + chained).toBe(of.edges.length)
      for (const { fromVertex, toVertex, partitioning } of edges) {
        expect(fromVertex).toBeLessThan(toVertex)
        const isStraight = vertices[fromVertex]!.parallelism === vertices[toVertex]!.parallelism
        if (partitioning.type === 'forward') expect(isStraight).toBe(true)
      }
    }),
  )
})

test('the hash of a plan is that of its data, and the first step that differs is named', () => {
  const make = (threshold: number): StreamGraph =>
    graph(
      [node(0), node(1, { name: 'where-1', parameters: { b: 1, a: threshold } })],
      [edge(0, 1, 'function')],
    )
  expect(planHash(make(1))).toBe(planHash(make(1)))
  expect(planHash(make(1))).not.toBe(planHash(make(2)))
  expect(compareDeterminism(planData(make(1)), planData(make(1)))).toBeUndefined()
  expect(compareDeterminism(planData(make(1)), planData(make(2)))).toBe('where-1')
  const shorter = graph([node(0)], [])
  expect(compareDeterminism(planData(make(1)), planData(shorter))).toBe('where-1')
  expect(JSON.parse(JSON.stringify(planData(make(1))))).toEqual(planData(make(1)))
})

test('explain tells the vertices, and why neighbours do not share a thread', () => {
  const of = graph(
    [
      node(0, { name: 'clicks', at: 'job.ts:3' }),
      node(1),
      node(2, { name: '<n>', parallelism: 1 }),
    ],
    [edge(0, 1), edge(1, 2, 'key')],
  )
  const jobGraph = toJobGraph(of, 2)
  expect(explainText(jobGraph, 2)).toBe(
    [
      'job "test": 3 steps in 2 tasks, 3 subtasks at parallelism 2 (at most 128)',
      '',
      'task 0, 2 subtasks',
      '  clicks: map  (job.ts:3)',
      '    └ n1: map',
      '        chained to clicks: records go straight on, with the same parallelism and one input',
      '  → task 1: hash',
      '',
      'task 1, 1 subtask',
      '  <n>: map',
      '      not chained to n1: records are exchanged by key "user"',
      '',
    ].join('\n'),
  )
  expect(explainJson(jobGraph, 2)).toMatchObject({ parallelism: 2, plan: { job: 'test' } })
  expect(chainDecisions(of, 2).map((decision) => decision.chained)).toEqual([true, false])
  const svg = explainSvg(jobGraph)
  expect(svg).toContain('&lt;n&gt;')
  expect(svg).not.toContain('<n>')
  expect(svg.match(/<path d="M\d/g)).toHaveLength(2)
})
