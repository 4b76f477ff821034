import { resolve } from 'node:path'
import type { Json } from '../engine/base/json.ts'
import { askJob } from './control-client.ts'
import { findWorkFolder } from './work-folder.ts'

/** `millrace savepoint` and `millrace stop`: requests to a job that another process runs. */
export interface SavepointFlags {
  readonly to?: string
  readonly json?: boolean
}

export interface StopFlags {
  /** true: at a place of the engine's choice. */
  readonly savepoint?: string | boolean
  readonly drain?: boolean
  readonly json?: boolean
}

/** Ends when the savepoint is complete. */
export async function savepointCommand(workDir: string, flags: SavepointFlags): Promise<number> {
  const folder = await findWorkFolder(workDir)
  const answer = await askJob(folder, {
    type: 'savepoint',
    ...(flags.to === undefined ? {} : { target: resolve(flags.to) }),
  })
  print(answer, flags.json, 'complete')
  return 0
}

/** Ends when the last checkpoint and its commits are done. */
export async function stopCommand(workDir: string, flags: StopFlags): Promise<number> {
  const folder = await findWorkFolder(workDir)
  const target = typeof flags.savepoint === 'string' ? { target: resolve(flags.savepoint) } : {}
  const answer = await askJob(folder, {
    type: 'stop',
    drain: flags.drain ?? false,
    savepoint: flags.savepoint !== undefined && flags.savepoint !== false,
    ...target,
  })
  print(answer, flags.json, flags.drain === true ? 'drained and stopped' : 'stopped')
  return 0
}

function print(answer: Json, json: boolean | undefined, what: string): void {
  if (json === true) {
    process.stdout.write(`${JSON.stringify(answer)}\n`)
    return
  }
  const fields =
    typeof answer === 'object' && answer !== null && !Array.isArray(answer)
      ? Object.entries(answer)
      : []
  const text = fields.map(([name, value]) => `${name} ${plain(value)}`).join(', ')
  process.stdout.write(text === '' ? `${what}\n` : `${what}: ${text}\n`)
}

function plain(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
