import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { ControlHandlers, ControlRequest } from '../engine/job/control-server.ts'
import { StreamError } from '../engine/base/errors.ts'
import { controlSocketPath, startControlServer } from '../engine/job/control-server.ts'
import { askJob } from './control-client.ts'

let workDir: string
let asked: ControlRequest[]

const handlers: ControlHandlers = {
  status: () => Promise.resolve({ status: 'RUNNING' }),
  savepoint(request) {
    asked.push(request)
    if (request.target === '/taken') {
      throw new StreamError('CHECKPOINT_FAILED', '"/taken" exists', { hint: 'Name another.' })
    }
    return Promise.resolve({ path: request.target ?? 'chosen' })
  },
  stop(request) {
    asked.push(request)
    return Promise.resolve(null)
  },
}

beforeEach(async () => {
  workDir = await mkdtemp(join(tmpdir(), 'control-'))
  asked = []
})
afterEach(() => rm(workDir, { recursive: true }))

test('requests reach the job and its answers come back', async () => {
  const server = await startControlServer(workDir, handlers)
  expect(await askJob(workDir, { type: 'status' })).toEqual({ status: 'RUNNING' })
  expect(await askJob(workDir, { type: 'savepoint', target: '/there' })).toEqual({ path: '/there' })
  await askJob(workDir, { type: 'stop', drain: true, savepoint: false })
  expect(asked).toEqual([
    { type: 'savepoint', target: '/there' },
    { type: 'stop', drain: true, savepoint: false },
  ])
  await server.close()
})

test('what a handler throws is thrown at the client, whole', async () => {
  const server = await startControlServer(workDir, handlers)
  const thrown = askJob(workDir, { type: 'savepoint', target: '/taken' })
  await expect(thrown).rejects.toMatchObject({
    code: 'CHECKPOINT_FAILED',
    message: '"/taken" exists',
    hint: 'Name another.',
  })
  await server.close()
})

test('a folder where nothing runs is told as such', async () => {
  const code = 'JOB_NOT_RUNNING'
  await expect(askJob(workDir, { type: 'status' })).rejects.toMatchObject({ code })
  await expect(askJob(join(workDir, 'no'), { type: 'status' })).rejects.toMatchObject({ code })
  await (await startControlServer(workDir, handlers)).close()
  await expect(askJob(workDir, { type: 'status' })).rejects.toMatchObject({ code })
})

test('the leftover of a killed process is no obstacle', async () => {
  await writeFile(controlSocketPath(workDir), '')
  const server = await startControlServer(workDir, handlers)
  expect(await askJob(workDir, { type: 'status' })).toEqual({ status: 'RUNNING' })
  await server.close()
})

test('a work folder with a long path works too', async () => {
  const long = join(workDir, 'a-long-name-'.repeat(10))
  await mkdir(long)
  const server = await startControlServer(long, handlers)
  expect(server.path.length).toBeLessThan(100)
  expect(await askJob(long, { type: 'status' })).toEqual({ status: 'RUNNING' })
  await server.close()
})

test('closing waits for an answer under way', async () => {
  let release: (value: null) => void = () => undefined
  const slow = { ...handlers, stop: () => new Promise<null>((done) => (release = done)) }
  const server = await startControlServer(workDir, slow)
  const answered = askJob(workDir, { type: 'stop', drain: false, savepoint: false })
  await expect.poll(() => release.length).toBe(1)
  const closed = server.close()
  release(null)
  expect(await answered).toBe(null)
  await closed
})
