import type { Server, Socket } from 'node:net'
import { createHash } from 'node:crypto'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { ErrorData } from '../base/errors.ts'
import type { Files } from '../base/files.ts'
import type { Json } from '../base/json.ts'
import { asStreamError, StreamError } from '../base/errors.ts'
import { errnoOf, systemFiles } from '../base/files.ts'

/**
 * How `millrace savepoint`, `stop` and `inspect` reach a running job: a Unix socket in its work
 * folder, one line of JSON for a request, one for the answer, then the connection ends.
 *
 * request := ControlRequest '\n'    answer := ControlAnswer '\n'
 *
 * S1. Only the owner of the work folder serves it, so a socket found at the start is a leftover.
 * S2. Who can write into the folder may control the job; the socket has no other protection.
 */
export type ControlRequest =
  | { readonly type: 'status' }
  /** Answers when the savepoint is complete. `target`: an absolute path, which must not exist. */
  | { readonly type: 'savepoint'; readonly target?: string }
  /** Answers when the last checkpoint and its commits are done; the process then ends. */
  | {
      readonly type: 'stop'
      readonly drain: boolean
      readonly savepoint: boolean
      readonly target?: string
    }

export type ControlAnswer =
  { readonly ok: true; readonly result: Json } | { readonly ok: false; readonly error: ErrorData }

export interface ControlHandlers {
  status(): Promise<Json>
  savepoint(request: Extract<ControlRequest, { type: 'savepoint' }>): Promise<Json>
  stop(request: Extract<ControlRequest, { type: 'stop' }>): Promise<Json>
}

export interface ControlServer {
  readonly path: string
  /** Ends when the answers under way are sent; takes no new request. */
  close(): Promise<void>
}

/** The kernel holds a socket's path in 108 bytes on Linux and 104 on macOS. */
const SOCKET_PATH_BYTES_MAX = 100
const REQUEST_BYTES_MAX = 64 * 1_024

/** Where a work folder's socket is; below the temporary folder when the path is too long. */
export function controlSocketPath(workDir: string): string {
  const path = join(resolve(workDir), 'control.sock')
  if (new TextEncoder().encode(path).length <= SOCKET_PATH_BYTES_MAX) return path
  const name = createHash('sha256').update(path).digest('hex').slice(0, 16)
  return join(tmpdir(), `millrace-${name}.sock`)
}

/** Called by the owner of `workDir` once it holds the folder. A failing handler is an answer. */
export async function startControlServer(
  workDir: string,
  handlers: ControlHandlers,
  files: Files = systemFiles,
): Promise<ControlServer> {
  const path = controlSocketPath(workDir)
  await removeLeftover(path, files)
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    open.add(socket)
    socket.on('close', () => open.delete(socket))
    serve(socket, handlers)
  })
  await listen(server, path)
  server.unref()
  return { path, close: () => closeServer(server, open) }
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((done, fail) => {
    server.once('error', fail)
    server.listen(path, () => {
      server.off('error', fail)
      done()
    })
  })
}

function closeServer(server: Server, open: ReadonlySet<Socket>): Promise<void> {
  return new Promise((done) => {
    // Connections that ask nothing would keep the server; those that wait get their answer.
    server.close(() => done())
    for (const socket of open) {
      if (socket.bytesRead === 0) socket.destroy()
    }
  })
}

/** S1. */
async function removeLeftover(path: string, files: Files): Promise<void> {
  try {
    await files.unlink(path)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error
  }
}

function serve(socket: Socket, handlers: ControlHandlers): void {
  let text = ''
  let asked = false
  socket.setEncoding('utf8')
  // The client may go away at any time: its request is still carried out.
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk: string) => {
    if (asked) return
    text += chunk
    const end = text.indexOf('\n')
    if (end === -1 && text.length < REQUEST_BYTES_MAX) return
    asked = true
    void answer(end === -1 ? '' : text.slice(0, end), handlers).then((reply) => {
      socket.end(`${JSON.stringify(reply)}\n`)
    })
  })
}

async function answer(line: string, handlers: ControlHandlers): Promise<ControlAnswer> {
  try {
    return { ok: true, result: await handle(parseRequest(line), handlers) }
  } catch (error) {
    return { ok: false, error: asStreamError(error).toData() }
  }
}

function handle(request: ControlRequest, handlers: ControlHandlers): Promise<Json> {
  switch (request.type) {
    case 'status':
      return handlers.status()
    case 'savepoint':
      return handlers.savepoint(request)
    case 'stop':
      return handlers.stop(request)
    default:
      return request satisfies never
  }
}

function parseRequest(line: string): ControlRequest {
  let data: unknown
  try {
    data = JSON.parse(line)
  } catch {
    data = undefined
  }
  if (typeof data === 'object' && data !== null && 'type' in data) {
    const fields = data as Record<string, unknown>
    const target = typeof fields['target'] === 'string' ? { target: fields['target'] } : {}
    if (data.type === 'status') return { type: 'status' }
    if (data.type === 'savepoint') return { type: 'savepoint', ...target }
    if (data.type === 'stop') {
      const drain = fields['drain'] === true
      return { type: 'stop', drain, savepoint: fields['savepoint'] === true, ...target }
    }
  }
  throw new StreamError('USAGE', 'the request is not one that a job knows', {
    hint: 'Use the millrace of the same version as the running job.',
  })
}
