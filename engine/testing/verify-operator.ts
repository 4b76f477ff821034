import { deepStrictEqual } from 'node:assert/strict'
import type { HostSnapshot, OperatorResult, OperatorSubject } from './operator-host.ts'
import { assert } from '../base/assert.ts'
import { ColumnDecoder, ColumnEncoder } from '../stream/column-codec.ts'
import { memoryOf } from '../stream/wire-schema.ts'
import { heapKey } from '../stream/key-codec.ts'
import { MAX_WATERMARK, MIN_WATERMARK } from '../stream/elements.ts'
import { OperatorHost } from './operator-host.ts'
import { RecordBatch } from '../stream/record-batch.ts'

/** What goes into an operator, one after the other, and what is expected out of it. */
export type TestElement =
  | {
      readonly type: 'record'
      readonly value: unknown
      readonly timeMs: number | undefined
      readonly input: number
      readonly side: string | undefined
    }
  | { readonly type: 'watermark'; readonly ms: number }
  | { readonly type: 'processing-time'; readonly ms: number }
  | { readonly type: 'end' }
  | { readonly type: 'idle'; readonly idle: boolean }

export function record(value: unknown, timeMs?: number, input = 0): TestElement {
  return { type: 'record', value, timeMs, input, side: undefined }
}

/** A record of a side output, among the expected. */
export function side(name: string, value: unknown, timeMs?: number): TestElement {
  return { type: 'record', value, timeMs, input: 0, side: name }
}

export function watermark(ms: number): TestElement {
  return { type: 'watermark', ms }
}

/** The machine's clock reaches `ms`. */
export function processingTime(ms: number): TestElement {
  return { type: 'processing-time', ms }
}

/** The end of a bounded input: the watermark goes to its end, and the operator finishes. */
export function end(): TestElement {
  return { type: 'end' }
}

export function idle(isIdle: boolean): TestElement {
  return { type: 'idle', idle: isIdle }
}

/**
 * Proves that an operator gives the expected results however it is run: `verifyOperator(subject)
 * .input(…).expect(…)`. One input, seven runs:
 *
 * 1. plain, with records next to each other in one batch of rows;
 * 2. the same with the batches as columns that end with the call, as they come over a ring;
 * 3. record by record, with a snapshot after each element, and credit for one batch a call;
 * 4. restored into a fresh operator after each element;
 * 5. begun by one subtask and, after each element in turn, split over two;
 * 6. begun by two subtasks and, after each element in turn, merged into one;
 * 7. with the watermarks as places within the batches (`RecordBatch.watermarks`), cut where only the
 *    input changes, and credit for one batch a call: each output has the same records in its order.
 *
 * With two subtasks the results between two watermarks may come in any order; the others are
 * compared as they stand. Records of an input without key go to both subtasks.
 */
export function verifyOperator(subject: OperatorSubject): {
  input(...elements: readonly TestElement[]): { expect(...expected: readonly TestElement[]): void }
} {
  return {
    input: (...elements) => ({
      expect: (...expected) => {
        verify(subject, elements, expected.map(asResult))
      },
    }),
  }
}

function verify(
  subject: OperatorSubject,
  elements: readonly TestElement[],
  expected: readonly OperatorResult[],
): void {
  const check = (actual: readonly OperatorResult[], run: string): void => {
    deepStrictEqual([...actual], [...expected], `the results differ when run ${run}`)
  }
  check(
    runPlain(subject, elements, (host, batch, input) => host.processBatch(batch, input)),
    'plain',
  )
  check(runPlain(subject, elements, overWire()), 'over columns')
  check(runStepwise(subject, elements, false), 'with a snapshot after each element')
  check(runStepwise(subject, elements, true), 'with a restore after each element')

  if (hostOf(subject, 0, 1, 1, []).operator.emitsWatermarks !== true) {
    const records = recordsBySide(runPlaced(subject, elements))
    const run = 'with watermarks within the batches'
    deepStrictEqual(records, recordsBySide(expected), `the results differ when run ${run}`)
  }
  if (subject.keys === undefined) return
  const sorted = sortSegments(expected)
  for (let at = 0; at <= elements.length; at += 1) {
    for (const [before, after] of [[1, 2] as const, [2, 1] as const]) {
      const actual = runRescaled(subject, elements, at, before, after)
      const run = `by ${before} and, after ${at} elements, by ${after} subtasks`
      deepStrictEqual(sortSegments(actual), sorted, `the results differ when run ${run}`)
    }
  }
}

type Process = (host: OperatorHost, batch: RecordBatch, input: number) => void

function runPlain(
  subject: OperatorSubject,
  elements: readonly TestElement[],
  process: Process,
): OperatorResult[] {
  const host = hostOf(subject, 0, 1, Infinity, [])
  for (let index = 0; index < elements.length;) {
    const first = elements[index]!
    let until = index + 1
    if (first.type === 'record') {
      while (until < elements.length && isSameInput(elements[until]!, first)) until += 1
      process(host, batchOf(elements.slice(index, until)), first.input)
    } else {
      step(host, first)
    }
    index = until
  }
  return host.results
}

/** A watermark between two records of an input is a place in their batch. */
function runPlaced(subject: OperatorSubject, elements: readonly TestElement[]): OperatorResult[] {
  const host = hostOf(subject, 0, 1, 1, [])
  let records: Extract<TestElement, { type: 'record' }>[] = []
  let watermarks: number[] = []
  let ms = MIN_WATERMARK
  const pass = (): void => {
    if (records.length > 0) {
      const batch = batchOf(records).withWatermarks(Float64Array.from(watermarks))
      host.processBatch(batch, records[0]!.input)
      records = []
      watermarks = []
    }
    host.advanceWatermark(ms)
  }
  for (const element of elements) {
    if (element.type === 'watermark') ms = Math.max(ms, element.ms)
    else if (element.type === 'record') {
      if (records.length > 0 && records[0]!.input !== element.input) pass()
      records.push(element)
      watermarks.push(ms)
    } else {
      pass()
      step(host, element)
    }
  }
  pass()
  return host.results
}

/** By output, since a batch of each is handed out at a time. */
function recordsBySide(results: readonly OperatorResult[]): Map<string, OperatorResult[]> {
  const sides = new Map<string, OperatorResult[]>()
  for (const result of results) {
    if (result.type !== 'record') continue
    const side = result.side ?? ''
    sides.set(side, [...(sides.get(side) ?? []), result])
  }
  return new Map([...sides].sort(([left], [right]) => (left < right ? -1 : 1)))
}

/** Encodes and decodes each batch; what it came in is overwritten after the call. */
function overWire(): Process {
  const encoder = new ColumnEncoder()
  const decoder = new ColumnDecoder()
  const memory = memoryOf(new ArrayBuffer(256 * 1_024))
  return (host, batch, input) => {
    for (let from = 0; from < batch.count; from += encoder.encoded) {
      const used = encoder.encode(batch, from, memory, 0, 128 * 1_024)
      assert(used > 0, 'a record of a test is too large')
      encoder.committed()
      host.processBatch(decoder.decode(memory, 0, true), input)
      memory.bytes.fill(0xcd)
    }
  }
}

function runStepwise(
  subject: OperatorSubject,
  elements: readonly TestElement[],
  restores: boolean,
): OperatorResult[] {
  let host = hostOf(subject, 0, 1, 1, [])
  const results: OperatorResult[] = []
  for (const element of elements) {
    step(host, element)
    const snapshot = host.snapshot()
    if (!restores) continue
    results.push(...host.results)
    host = hostOf(subject, 0, 1, 1, [snapshot])
  }
  return [...results, ...host.results]
}

function runRescaled(
  subject: OperatorSubject,
  elements: readonly TestElement[],
  at: number,
  before: number,
  after: number,
): OperatorResult[] {
  const results: OperatorResult[] = []
  let hosts = hostsOf(subject, before, [])
  for (const [index, element] of elements.entries()) {
    if (index === at) {
      const snapshots = hosts.map((host) => host.snapshot())
      hosts = hostsOf(subject, after, snapshots)
    }
    results.push(...stepAll(hosts, element))
  }
  return results
}

/** Every watermark reaches all subtasks, and comes out once. */
function stepAll(hosts: readonly OperatorHost[], element: TestElement): OperatorResult[] {
  const results: OperatorResult[] = []
  for (const host of hosts) {
    if (element.type === 'record' && !host.takes(element.value, element.input)) continue
    step(host, element)
    results.push(...host.results.splice(0))
  }
  const isMark = (result: OperatorResult): boolean => result.type !== 'record'
  const marks = results.filter(isMark).slice(0, results.filter(isMark).length / hosts.length)
  return [...results.filter((result) => !isMark(result)), ...marks]
}

function step(host: OperatorHost, element: TestElement): void {
  switch (element.type) {
    case 'record':
      host.processBatch(batchOf([element]), element.input)
      return
    case 'watermark':
      host.advanceWatermark(element.ms)
      return
    case 'processing-time':
      host.advanceProcessingTime(element.ms)
      return
    case 'end':
      host.advanceWatermark(MAX_WATERMARK)
      host.finish()
      return
    case 'idle':
      throw new Error('idle(…) is a result: operators are given no statuses')
    default:
      element satisfies never
  }
}

function hostOf(
  subject: OperatorSubject,
  subtask: number,
  parallelism: number,
  creditBatches: number,
  restored: readonly HostSnapshot[],
): OperatorHost {
  return new OperatorHost(subject, { subtask, parallelism, creditBatches, restored })
}

function hostsOf(
  subject: OperatorSubject,
  parallelism: number,
  restored: readonly HostSnapshot[],
): OperatorHost[] {
  return Array.from({ length: parallelism }, (_, subtask) =>
    hostOf(subject, subtask, parallelism, 1, restored),
  )
}

function isSameInput(element: TestElement, first: { readonly input: number }): boolean {
  return element.type === 'record' && element.input === first.input
}

function batchOf(elements: readonly TestElement[]): RecordBatch {
  const records = elements.filter((element) => element.type === 'record')
  const times = records.some((item) => item.timeMs !== undefined)
    ? Float64Array.from(records, (item) => item.timeMs ?? NaN)
    : undefined
  const rows = records.map((item) => structuredClone(item.value))
  return RecordBatch.ofRows(rows, times)
}

function asResult(element: TestElement): OperatorResult {
  switch (element.type) {
    case 'record':
      return {
        type: 'record',
        value: element.value,
        timeMs: element.timeMs,
        side: element.side,
      }
    case 'watermark':
    case 'idle':
      return element
    case 'end':
      return { type: 'watermark', ms: MAX_WATERMARK }
    case 'processing-time':
      throw new Error('processingTime(…) is an input, no result')
    default:
      return element satisfies never
  }
}

function sortSegments(results: readonly OperatorResult[]): OperatorResult[] {
  const sorted: OperatorResult[] = []
  let segment: [string, OperatorResult][] = []
  const close = (): void => {
    segment.sort(([left], [right]) => (left < right ? -1 : left > right ? 1 : 0))
    sorted.push(...segment.map(([, result]) => result))
    segment = []
  }
  for (const result of results) {
    if (result.type === 'record') segment.push([sortKey(result), result])
    else {
      close()
      sorted.push(result)
    }
  }
  close()
  return sorted
}

function sortKey(result: Extract<OperatorResult, { type: 'record' }>): string {
  return `${result.side ?? ''} ${result.timeMs ?? ''} ${String(heapKey(result.value ?? null))}`
}
