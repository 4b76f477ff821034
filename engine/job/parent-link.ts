import type { FromEngine, ToEngine } from './protocol.ts'
import { StreamError } from '../base/errors.ts'

/** The engine process's end of the channel to its parent (protocol L1–L5). */
export interface ParentLink {
  /** Resolves when the message is handed over, or the parent is gone. */
  send(message: FromEngine): Promise<void>
  /** Called for every message; those that came before the first call are handed over then. */
  onMessage(handler: (message: ToEngine) => void): void
}

/**
 * Takes the channel that the parent opened. The process ends when it closes (L3), by SIGKILL of
 * itself: nothing of this life may go on writing, and recovery is from disk in any case. From now
 * on SIGINT and SIGTERM do nothing here (L4).
 */
export function connectToParent(): ParentLink {
  if (process.send === undefined) {
    throw new StreamError('USAGE', 'the engine process was started by hand', {
      hint: 'Start a job with "millrace run".',
    })
  }
  const early: ToEngine[] = []
  let handler: ((message: ToEngine) => void) | undefined
  process.on('message', (message: ToEngine) => {
    if (handler === undefined) early.push(message)
    else handler(message)
  })
  process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'))
  process.on('SIGINT', () => undefined)
  process.on('SIGTERM', () => undefined)

  return {
    send: (message) =>
      new Promise((done) => {
        if (!process.connected) done()
        else process.send!(message, undefined, {}, () => done())
      }),
    onMessage(receive) {
      handler = receive
      for (const message of early.splice(0)) receive(message)
    },
  }
}
