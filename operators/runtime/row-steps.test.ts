import { expect, test } from 'vitest'
import type { OperatorSubject } from '../../engine/testing/operator-host.ts'
import { createFilter, createFlatMap, createMap } from './factories.ts'
import { record, verifyOperator } from '../../engine/testing/index.ts'
import { OperatorHost } from '../../engine/testing/operator-host.ts'
import { RecordBatch } from '../../engine/stream/record-batch.ts'
import { StreamError } from '../../engine/base/errors.ts'

function thrown(subject: OperatorSubject, ...rows: unknown[]): StreamError {
  const host = new OperatorHost(subject, {
    subtask: 0,
    parallelism: 1,
    creditBatches: 1,
    restored: [],
  })
  const offsets = Float64Array.from(rows, (_, index) => 700 + index)
  const count = rows.length
  try {
    host.processBatch(new RecordBatch(count, rows, undefined, undefined, undefined, 4, offsets), 0)
  } catch (error) {
    if (error instanceof StreamError) return error
  }
  throw new Error('no StreamError was thrown')
}

test('map, filter and flatMap keep the times of their records', () => {
  verifyOperator(createMap({ step: (n: number) => n * 2 }))
    .input(record(1, 10), record(2, 20))
    .expect(record(2, 10), record(4, 20))
  verifyOperator(createFilter({ step: (n: number) => n > 1 }))
    .input(record(1, 10), record(2, 20), record(3))
    .expect(record(2, 20), record(3))
  verifyOperator(createFlatMap({ step: (text: string) => text.split(' ') }))
    .input(record('a b', 10), record('c', 20))
    .expect(record('a', 10), record('b', 10), record('c', 20))
})

test('a flatMap may give any iterable, also more than a batch holds', () => {
  const step = function* (n: number): Generator<number> {
    for (let index = 0; index < n; index += 1) yield index
  }
  const many = Array.from({ length: 3_000 }, (_, index) => record(index, 5))
  verifyOperator(createFlatMap({ step }))
    .input(record(3_000, 5), record(0, 6), record(1, 7))
    .expect(...many, record(0, 7))
})

test("an error of a user's function says where: split, offset, and the line of its file", () => {
  const step = (n: number): number => {
    if (n === 2) throw new TypeError('two')
    return n
  }
  const subjects = [
    createMap({ step }),
    createFilter({ step }),
    createFlatMap({ step: (n: number) => [step(n)] }),
  ]
  for (const subject of subjects) {
    const error = thrown(subject, 1, 2)
    expect(error.code).toBe('USER_FUNCTION_FAILED')
    expect(error.cause).toBeInstanceOf(TypeError)
    expect(error.place).toMatchObject({
      operator: 'subject',
      subtask: 0,
      splitIndex: 4,
      offset: 701,
    })
    expect(error.place.at).toMatch(/^row-steps\.test\.ts:\d+:\d+$/)
  }
})

test('a step that returns a promise is refused', () => {
  const step = (): Promise<number> => Promise.resolve(1)
  for (const create of [createMap, createFilter, createFlatMap]) {
    expect(thrown(create({ step }), 1).code).toBe('STEP_ASYNC')
  }
})
