import { expect, test } from 'vitest'
import type { ErrorData } from '../engine/base/errors.ts'
import { formatError, formatPlace } from './error-text.ts'

const plain = { color: false, verbose: false }

test('a mistake is told with what was found, a hint and where more is written, and no stack', () => {
  const error: ErrorData = {
    code: 'FIELD_UNKNOWN',
    message: 'keyBy names "usr", the records have "user, url, at"',
    hint: 'Did you mean "user"?',
    place: { operator: 'clicks', at: 'job.ts:8:3' },
    stack: 'Error\n    at secret (/somewhere/else.ts:1:1)',
  }
  expect(formatError(error, plain).split('\n')).toEqual([
    'error FIELD_UNKNOWN: keyBy names "usr", the records have "user, url, at"',
    '  in    "clicks"',
    '  at    job.ts:8:3',
    '  hint  Did you mean "user"?',
    expect.stringMatching(/^ {2}more {2}.*docs\/errors\.md#field_unknown$/),
  ])
})

test('a failing function shows its message, its record and the own frame of the user', () => {
  const error: ErrorData = {
    code: 'USER_FUNCTION_FAILED',
    message: `Cannot read properties of undefined (reading 'x')`,
    place: { operator: 'visits', subtask: 1, split: 'orders-3', offset: 812 },
    cause: {
      message: `Cannot read properties of undefined (reading 'x')`,
      stack: [
        `TypeError: Cannot read properties of undefined (reading 'x')`,
        `    at onRecord (file://${process.cwd()}/jobs/visits.ts:12:7)`,
        `    at run (${process.cwd()}/node_modules/millrace/dist/engine/task.js:1:1)`,
      ].join('\n'),
    },
  }
  const text = formatError(error, plain)
  expect(text).toContain('in    "visits", subtask 1, record at offset 812 of orders-3')
  expect(text).toContain('at    jobs/visits.ts:12:7')
  expect(text).not.toContain('node_modules')
  expect(text).not.toContain('cause')
  expect(formatError(error, { ...plain, verbose: true })).toContain('engine/task.js')
})

test('causes that say something new are told, in order', () => {
  const error: ErrorData = {
    code: 'FILE_IO',
    message: '"out" cannot be written',
    cause: { code: 'FILE_IO', message: 'opening failed', cause: { message: 'EACCES: no' } },
  }
  expect(formatError(error, plain).split('\n').slice(1, 3)).toEqual([
    '  cause opening failed',
    '  cause EACCES: no',
  ])
})

test('a bug shows its stack', () => {
  const error: ErrorData = { code: 'BUG', message: 'no', stack: 'Error: no\n    at here' }
  expect(formatError(error, plain)).toContain('    at here')
})

test('a place known only in part is told as far as it is known', () => {
  expect(formatPlace({})).toBe('')
  expect(formatPlace({ split: 'a.csv' })).toBe('reading a.csv')
  expect(formatPlace({ operator: 'x', split: 'a', offset: [1, 9] })).toBe(
    '"x", a record of a, offsets 1 to 9',
  )
})
