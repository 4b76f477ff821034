import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ErrorData, ErrorPlace } from '../engine/base/errors.ts'
import { ERRORS } from '../engine/base/errors.ts'
import { packageRoot } from './own-package.ts'
import { painter } from './terminal.ts'

/**
 * An error as a person reads it: what was found, where, why, what to do, where more is written.
 * No stack for a mistake of the user: of a failed user function the user's own frame only. A bug of
 * ours, and `verbose`, show all.
 */
export interface ErrorTextOptions {
  readonly color: boolean
  readonly verbose: boolean
}

export function formatError(error: ErrorData, options: ErrorTextOptions): string {
  const paint = painter(options.color)
  const lines = [`${paint('red', `error ${error.code}`)}: ${paint('bold', error.message)}`]
  const add = (name: string, text: string): void => {
    lines.push(`  ${paint('dim', name.padEnd(5))} ${text.replaceAll('\n', '\n        ')}`)
  }

  const place = formatPlace(error.place ?? {})
  if (place !== '') add('in', place)
  const at = error.place?.at ?? userFrame(error)
  if (at !== undefined) add('at', at)
  for (const message of causesOf(error)) add('cause', message)
  if (error.hint !== undefined) add('hint', error.hint)
  add('more', `${docsPath()}#${error.code.toLowerCase()}`)
  if (options.verbose || ERRORS[error.code].domain === 'internal') {
    for (const stack of stacksOf(error)) lines.push(paint('dim', stack))
  }
  return lines.join('\n')
}

/** `"visits", subtask 1, record at offset 812 of orders-3, which begins: {"id"`. */
export function formatPlace(place: ErrorPlace): string {
  const parts: string[] = []
  if (place.operator !== undefined) parts.push(`"${place.operator}"`)
  if (place.subtask !== undefined) parts.push(`subtask ${place.subtask}`)
  const { split = place.splitIndex === undefined ? undefined : `split ${place.splitIndex}` } = place
  if (split !== undefined) parts.push(formatRecord(split, place))
  if (place.record !== undefined) parts.push(`which begins: ${place.record}`)
  return parts.join(', ')
}

function formatRecord(split: string, { offset, unit: given }: ErrorPlace): string {
  const unit = given ?? 'offset'
  if (offset === undefined) return `reading ${split}`
  if (typeof offset === 'number') return `record at ${unit} ${offset} of ${split}`
  return `a record of ${split}, ${unit}s ${offset[0]} to ${offset[1]}`
}

type Cause = NonNullable<ErrorData['cause']>

function chainOf(error: ErrorData): readonly Cause[] {
  const chain: Cause[] = []
  for (
    let cause: Cause | undefined = error.cause;
    cause !== undefined;
    cause = 'cause' in cause ? cause.cause : undefined
  ) {
    chain.push(cause)
  }
  return chain
}

/** Messages of the causes that say something new. */
function causesOf(error: ErrorData): readonly string[] {
  const said = [error.message]
  for (const { message } of chainOf(error)) {
    if (!said.some((earlier) => earlier.includes(message))) said.push(message)
  }
  return said.slice(1)
}

function stacksOf(error: ErrorData): readonly string[] {
  return [error, ...chainOf(error)].flatMap((one) => (one.stack === undefined ? [] : [one.stack]))
}

/** Errors that a user's own function may have thrown. */
const OF_USER_CODE: readonly string[] = ['USER_FUNCTION_FAILED', 'RECORD_POISON', 'CHAOS_UNFIT']

/** The first frame of the user's own file, relative to the current directory. */
function userFrame(error: ErrorData): string | undefined {
  if (!OF_USER_CODE.includes(error.code)) return undefined
  const own = ['dist', 'engine', 'operators', 'connectors', 'cli'].map(
    (folder) => `${packageRoot()}/${folder}/`,
  )
  for (const stack of stacksOf(error).toReversed()) {
    for (const line of stack.split('\n')) {
      const found = /\(?((?:file:\/\/)?\/[^()]+):(\d+):(\d+)\)?$/.exec(line)
      if (found === null || line.includes('node:internal')) continue
      const path = found[1]!.startsWith('file:') ? fileURLToPath(found[1]!) : found[1]!
      if (path.includes('/node_modules/') || own.some((folder) => path.startsWith(folder))) continue
      return `${relative(process.cwd(), path)}:${found[2]}:${found[3]}`
    }
  }
  return undefined
}

function docsPath(): string {
  return relative(process.cwd(), `${packageRoot()}/docs/errors.md`)
}
