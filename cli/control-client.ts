import { createConnection } from 'node:net'
import type { Json } from '../engine/base/json.ts'
import type { ControlAnswer, ControlRequest } from '../engine/job/control-server.ts'
import { StreamError } from '../engine/base/errors.ts'
import { errnoOf } from '../engine/base/files.ts'
import { controlSocketPath } from '../engine/job/control-server.ts'

/**
 * Asks the job that runs in `workDir`. Throws what it answers with, JOB_NOT_RUNNING when nobody
 * does, or when the job ends before it has answered.
 */
export async function askJob(workDir: string, request: ControlRequest): Promise<Json> {
  const line = await exchange(workDir, `${JSON.stringify(request)}\n`)
  const answer = JSON.parse(line) as ControlAnswer
  if (!answer.ok) throw StreamError.fromData(answer.error)
  return answer.result
}

function exchange(workDir: string, request: string): Promise<string> {
  return new Promise((done, fail) => {
    const socket = createConnection(controlSocketPath(workDir))
    let text = ''
    socket.setEncoding('utf8')
    socket.on('connect', () => socket.write(request))
    socket.on('data', (chunk: string) => {
      text += chunk
    })
    socket.on('end', () => {
      if (text.endsWith('\n')) done(text)
      else fail(notRunning(workDir, 'it ended before it answered'))
    })
    socket.on('error', (error) => {
      const nobody = ['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ENOTDIR']
      if (!nobody.includes(errnoOf(error) ?? '')) fail(error)
      else fail(notRunning(workDir, 'nobody answers at its control socket'))
    })
  })
}

function notRunning(workDir: string, found: string): StreamError {
  return new StreamError('JOB_NOT_RUNNING', `no job runs in "${workDir}": ${found}`, {
    hint: 'Name the work folder of a running job, as "millrace run" printed it.',
  })
}
