import { expect, test } from 'vitest'
import { callbackLogger, pinoLogger } from './pino-logger.ts'

test('a line holds the level by name, the fields and the message', () => {
  const lines: string[] = []
  const logger = pinoLogger('info', {
    fields: () => ({ job: 'visits', code: null }),
    write: (line) => lines.push(line),
  })
  logger.warn({ checkpointId: 3 }, 'checkpoint expired')
  logger.debug({}, 'not shown')
  expect(lines).toHaveLength(1)
  logger.error({ code: 'FILE_IO' }, 'full')
  expect(lines[1]!.match(/"code"/g)).toHaveLength(1)
  expect(JSON.parse(lines[1]!)).toMatchObject({ job: 'visits', code: 'FILE_IO' })
  expect(JSON.parse(lines[0]!)).toMatchObject({
    level: 'warn',
    job: 'visits',
    code: null,
    checkpointId: 3,
    msg: 'checkpoint expired',
  })
})

test('a callback gets what is at least as grave as the level', () => {
  const seen: string[] = []
  const logger = callbackLogger('warn', (level, _fields, message) => seen.push(level + message))
  logger.error({}, 'a')
  logger.warn({}, 'b')
  logger.info({}, 'c')
  expect(seen).toEqual(['errora', 'warnb'])
})
