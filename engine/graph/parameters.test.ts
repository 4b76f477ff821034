import { expect, test } from 'vitest'
import type { ErrorCode } from '../base/errors.ts'
import type { ParameterDeclaration, SecretReference } from './parameters.ts'
import { StreamError } from '../base/errors.ts'
import { parseParameters, reviveParameters, storableParameters } from './parameters.ts'

const DECLARED: readonly ParameterDeclaration[] = [
  { name: 'directory', type: 'text', help: 'where tables go' },
  { name: 'count', type: 'integer', default: 3 },
  { name: 'slack', type: 'duration', default: 1_000 },
  { name: 'from', type: 'time', default: 0 },
  { name: 'dry', type: 'flag', default: false },
  { name: 'brokers', type: 'list', default: ['a:1'] },
  { name: 'mode', type: 'choice', default: 'fast', choices: ['fast', 'safe'] },
]

function parse(texts: Readonly<Record<string, string>>, declared = DECLARED) {
  return parseParameters('land', declared, texts, (reference) => {
    if (reference.type === 'file') throw new Error('no such file')
    return `value of ${reference.name}`
  })
}

test('texts become values of the declared types, and what is not given is the default', async () => {
  expect(await parse({ directory: './out' })).toEqual({
    directory: './out',
    count: 3,
    slack: 1_000,
    from: 0,
    dry: false,
    brokers: ['a:1'],
    mode: 'fast',
  })
  const given = {
    directory: '',
    count: '-1_000',
    slack: '1h30m',
    from: '2026-11-22T10:00:00+01:00',
    dry: 'true',
    brokers: 'a:1, b:2',
    mode: 'safe',
  }
  expect(await parse(given)).toEqual({
    directory: '',
    count: -1_000,
    slack: 5_400_000,
    from: Date.parse('2026-11-22T09:00:00Z'),
    dry: true,
    brokers: ['a:1', 'b:2'],
    mode: 'safe',
  })
})

test.each<[Readonly<Record<string, string>>, ErrorCode, string, string]>([
  [{}, 'PARAMETER_MISSING', 'job "land" needs "directory"', '--set directory=…'],
  [{ directry: 'x' }, 'PARAMETER_UNKNOWN', 'no parameter "directry"', 'Did you mean "directory"?'],
  [{ directory: '', count: '1.5' }, 'PARAMETER_INVALID', '"count" is integer', 'whole number'],
  [{ directory: '', count: '' }, 'PARAMETER_INVALID', '"count" is integer', 'whole number'],
  [{ directory: '', slack: '30' }, 'PARAMETER_INVALID', '"slack" is duration', '30s'],
  [{ directory: '', from: 'today' }, 'PARAMETER_INVALID', '"from" is time', '2026-'],
  [{ directory: '', dry: 'yes' }, 'PARAMETER_INVALID', '"dry" is flag', 'true or false'],
  [{ directory: '', mode: 'slow' }, 'PARAMETER_INVALID', '"mode" is choice', 'fast, safe'],
  [{ directory: '', constructor: 'x' }, 'PARAMETER_UNKNOWN', '"constructor"', 'Its parameters'],
])('%j is refused with %s', async (texts, code, message, hint) => {
  const error = (await parse(texts).catch((thrown: unknown) => thrown)) as StreamError
  expect(error).toBeInstanceOf(StreamError)
  expect(error.code).toBe(code)
  expect(error.message).toContain(message)
  expect(error.hint).toContain(hint)
})

test('a secret comes by reference only, and stands in no checkpoint', async () => {
  const declared: readonly ParameterDeclaration[] = [{ name: 'password', type: 'secret' }]
  const values = await parse({ password: 'env:KEY' }, declared)
  const revived = reviveParameters(values)['password'] as { reveal(): string }
  expect(revived.reveal()).toBe('value of KEY')
  expect(JSON.stringify(revived)).toBe('"***"')
  expect(storableParameters(values)).toEqual({})
  await expect(parse({ password: 'hunter2' }, declared)).rejects.toMatchObject({
    code: 'SECRET_LITERAL',
    message: expect.not.stringContaining('hunter2') as string,
  })
  await expect(parse({ password: 'file:/none' }, declared)).rejects.toMatchObject({
    code: 'SECRET_UNREADABLE',
  })
  await expect(parse({}, declared)).rejects.toMatchObject({
    code: 'PARAMETER_MISSING',
    hint: 'Pass --set password=env:NAME, or password=file:PATH.',
  })
})

test('the reference names what to read', async () => {
  const seen: SecretReference[] = []
  const declared: readonly ParameterDeclaration[] = [{ name: 'key', type: 'secret' }]
  await parseParameters('land', declared, { key: 'file:./a:b' }, (reference) => {
    seen.push(reference)
    return ''
  })
  expect(seen).toEqual([{ type: 'file', path: './a:b' }])
})
