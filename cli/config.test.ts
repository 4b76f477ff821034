import { expect, test } from 'vitest'
import type { ConfigSources } from './config.ts'
import { mergeConfig, withJob } from './config.ts'

function merge(sources: Partial<ConfigSources>) {
  return mergeConfig({ flags: {}, set: [], environment: {}, ...sources })
}

const file = (data: unknown) => ({ path: 'c.json', text: JSON.stringify(data) })

test('a flag wins over the environment, that over the file, that over the job and the default', () => {
  const flags = { parallelism: '4' }
  const environment = { MILLRACE_PARALLELISM: '3', MILLRACE_GRACE: '5s' }
  const config = merge({
    flags,
    environment,
    file: file({ parallelism: 2, grace: '1s', checkpointing: { everyMs: 500, retain: 7 } }),
  })
  const job = new Map([
    ['checkpointing.everyMs', { value: 10_000, isDefault: true }],
    ['checkpointing.timeoutMs', { value: 9_000, isDefault: false }],
    ['checkpointing.minPauseMs', { value: 0, isDefault: true }],
  ] as const)
  const all = withJob(config, job)
  expect(all.get('parallelism')).toEqual({ value: 4, origin: 'flag', from: '--parallelism' })
  expect(all.get('grace')).toEqual({ value: 5_000, origin: 'environment', from: 'MILLRACE_GRACE' })
  expect(all.get('checkpointing.everyMs')).toMatchObject({ value: 500, origin: 'config file' })
  expect(all.get('checkpointing.timeoutMs')).toMatchObject({ value: 9_000, origin: 'job' })
  expect(all.get('checkpointing.minPauseMs')).toMatchObject({ value: 0, origin: 'default' })
  expect(all.get('logLevel')).toMatchObject({ value: 'info', origin: 'default' })
})

test('parameters merge in the same order, one by one', () => {
  const config = merge({
    set: ['directory=./a=b'],
    environment: { MILLRACE_SET_directory: './env', MILLRACE_SET_shop: 'berlin' },
    file: file({ set: { directory: './file', shop: 'rome', topics: ['a', 'b'], limit: 3 } }),
  })
  expect(Object.fromEntries([...config.parameters].map(([name, s]) => [name, s.value]))).toEqual({
    directory: './a=b',
    shop: 'berlin',
    topics: 'a,b',
    limit: '3',
  })
})

test.each([
  [{ flags: { parallelism: '0' } }, 'USAGE', /--parallelism is "0", which is not a whole number/],
  [{ flags: { grace: 'soon' } }, 'USAGE', /--grace is "soon", which is not a duration/],
  [{ set: ['directory'] }, 'USAGE', /--set has "directory", which is not NAME=VALUE/],
  [{ environment: { MILLRACE_LOG_LEVEL: 'loud' } }, 'CONFIG_INVALID', /MILLRACE_LOG_LEVEL/],
  [{ file: file({ paralelism: 2 }) }, 'CONFIG_INVALID', /"paralelism", which is no setting/],
  [
    { file: file({ checkpointing: 5 }) },
    'CONFIG_INVALID',
    /"checkpointing" in c.json is no object/,
  ],
  [{ file: { path: 'c.json', text: '{' } }, 'CONFIG_INVALID', /c.json is not JSON/],
  [{ file: file({ parallelism: null }) }, 'CONFIG_INVALID', /"parallelism" in c.json is null/],
] as const)('%j is refused with its place', (sources, code, message) => {
  expect(() => merge(sources)).toThrow(message)
  expect(() => merge(sources)).toThrow(expect.objectContaining({ code }))
})

test.each([
  [{ MILLRACE_PARALLELSM: '3' }, /MILLRACE_PARALLELSM/, /^Did you mean MILLRACE_PARALLELISM\?$/],
  [{ millrace_parallelism: '3' }, /millrace_parallelism/, /^Did you mean MILLRACE_PARALLELISM\?$/],
  [{ Millrace_Set_records: '3' }, /Millrace_Set_records/, /^Did you mean MILLRACE_SET_records\?$/],
  [{ MILLRACE_STATE_CACHE_MB: '99999999999999999999' }, /not a whole number up to 9007/, /^Give a/],
  [{ MILLRACE_GRACE: '99999999999999999999' }, /not a duration that a clock/, /^Give a/],
  [{ MILLRACE_CHAOS_DIRR: '' }, /MILLRACE_CHAOS_DIRR/, /^Did you mean MILLRACE_CHAOS_DIR\?$/],
  [{ MILLRACE_WOMBAT: 'x' }, /MILLRACE_WOMBAT/, /MILLRACE_PARALLELISM, .*MILLRACE_SET_<parameter>/],
  [{ MILLRACE_SET_: 'x' }, /MILLRACE_SET_,/, /MILLRACE_SET_<parameter>/],
  [{ MILLRACE_WORK_DIR: '' }, /MILLRACE_WORK_DIR is "", which is not a path/, /leave it out/],
  [{ MILLRACE_FROM: ' ' }, /MILLRACE_FROM is " ", which is not a path/, /Give a path/],
])('the variable of %j is refused', (environment, message, hint) => {
  const error = expect.objectContaining({
    code: 'CONFIG_INVALID',
    message: expect.stringMatching(message) as unknown,
    hint: expect.stringMatching(hint) as unknown,
  }) as unknown
  expect(() => merge({ environment })).toThrow(error)
})

test('variables that are another program’s are left alone', () => {
  const environment = {
    MILLRACE_GRACE: '',
    MILLRACE_SERVICE_HOST: '10.0.0.1',
    MILLRACE_SERVICE_PORT_METRICS: '80',
    MILLRACE_PORT: 'tcp://10.0.0.1:80',
    MILLRACE_PORT_80_TCP_ADDR: '10.0.0.1',
    MILLRACE_DB_PASSWORD: 'secret',
    MILLRACE: 'x',
    millrace_db_user: 'x',
  }
  const config = merge({
    environment,
    set: ['password=env:MILLRACE_DB_PASSWORD', 'user=env:millrace_db_user'],
  })
  expect(config.settings.get('grace')?.value).toBe(20_000)
})

test('a slip in a name gets the right one as hint', () => {
  expect(() => merge({ file: file({ paralelism: 2 }) })).toThrow(
    expect.objectContaining({ hint: 'Did you mean "parallelism"?' }),
  )
})
