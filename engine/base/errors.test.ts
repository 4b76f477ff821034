import { expect, test } from 'vitest'
import { asStreamError, isLasting, messageOf, reasonOf, StreamError } from './errors.ts'

test('what the system refuses is no bug of ours', () => {
  const full = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
  expect(asStreamError(full).code).toBe('FILE_IO')
  expect(asStreamError(full, 'CHECKPOINT_FAILED').code).toBe('CHECKPOINT_FAILED')
  const misused = Object.assign(new Error('bad argument'), { code: 'ERR_INVALID_ARG_TYPE' })
  expect(asStreamError(misused).code).toBe('BUG')
  expect(asStreamError(new Error('oops')).code).toBe('BUG')
  expect(asStreamError(new StreamError('USAGE', 'no')).code).toBe('USAGE')
})

test.each([
  ['ENOSPC', false, /Free space/],
  ['EDQUOT', false, /raise the quota/],
  ['EFBIG', true, /ulimit -f/],
  ['EROFS', true, /mounted read-only/],
  ['EACCES', true, /the right to read and write/],
  ['EPERM', true, /the right to read and write/],
  ['ENOTDIR', true, /A file stands where a folder is needed/],
  ['EISDIR', true, /A folder stands where a file is needed/],
  ['ELOOP', true, /Symbolic links/],
  ['ENAMETOOLONG', true, /shorter path/],
  ['EMFILE', false, /ulimit -n/],
  ['ENFILE', false, /fs\.file-max/],
  ['EIO', false, /kernel log/],
])('%s has a hint of its own', (code, lasting, hint) => {
  const refused = Object.assign(new Error(`${code}: open`), { code })
  expect(isLasting(refused)).toBe(lasting)
  expect(asStreamError(refused).code).toBe(lasting ? 'FILE_REFUSED' : 'FILE_IO')
  expect(asStreamError(refused).hint).toMatch(hint)
})

test('a line of the log has the innermost cause, once', () => {
  const full = Object.assign(new Error('ENOSPC: write'), { code: 'ENOSPC' })
  expect(reasonOf(asStreamError(full).toData())).toEqual({
    code: 'FILE_IO',
    reason: 'ENOSPC: write',
  })
  const cause = asStreamError(full)
  const failed = new StreamError('CHECKPOINT_FAILED', 'no manifest', { cause }).toData()
  expect(reasonOf(failed)).toEqual({
    code: 'CHECKPOINT_FAILED',
    reason: 'no manifest',
    cause: 'ENOSPC: write',
  })
})

test.each([
  [new Error('gone'), 'gone'],
  [new TypeError(''), 'TypeError without a message'],
  ['text', 'text'],
  ['', 'a value that is no Error was thrown: ""'],
  [undefined, 'a value that is no Error was thrown: undefined'],
  [{ code: 5 }, 'a value that is no Error was thrown: {"code":5}'],
  [Symbol('x'), 'a value that is no Error was thrown: Symbol(x)'],
  [12n, 'a value that is no Error was thrown: 12'],
  [Object.create(null), 'a value that is no Error was thrown: {}'],
  [{ n: 1n }, 'a value that is no Error was thrown, of type object'],
  [Object.assign(new Error('x'), { message: 5 }), 'Error without a message'],
])('what is thrown has a text: %#', (thrown, text) => {
  expect(messageOf(thrown)).toBe(text)
  const data = asStreamError(thrown, 'USER_FUNCTION_FAILED').toData()
  expect(structuredClone(data).message).toBe(text)
  expect(data.cause?.message ?? text).toBe(text)
})
