import { StreamError } from '../base/errors.ts'
import { errnoOf } from '../base/files.ts'
import { sha256Hex } from '../base/hash.ts'
import type { StateDescriptor } from '../state/state.ts'
import { checkManifest, Malformed } from './manifest-check.ts'
import type { CheckpointManifest } from './manifest.ts'

/*
 * The bytes of a manifest:
 *
 *     manifest := body `,"sha256":"` hash `"}` LF
 *     body     := the JSON object of CheckpointManifest without its closing brace, one line
 *     hash     := SHA-256 of body, 64 lower-case hex digits
 *
 * The hash comes last, so that it covers all that stands before it; what stands after it is fixed.
 * So every changed, missing, added or moved byte is found, before anything is believed.
 */

const TAIL = /^,"sha256":"([0-9a-f]{64})"\}\n$/
const TAIL_LENGTH = ',"sha256":""}\n'.length + 64

export function encodeManifest(manifest: CheckpointManifest): Uint8Array {
  const text = JSON.stringify({
    ...manifest,
    operators: manifest.operators.map((operator) => ({
      ...operator,
      descriptors: operator.descriptors.map(withoutDefault),
    })),
  })
  try {
    checkManifest(JSON.parse(text)) // What cannot be read back must never be written.
  } catch (error) {
    if (!(error instanceof Malformed)) throw error
    throw new StreamError('BUG', `a manifest was built wrongly: ${error.message}`, { cause: error })
  }
  const body = Buffer.from(text.slice(0, -1))
  return Buffer.concat([body, Buffer.from(`,"sha256":"${sha256Hex(body)}"}\n`)])
}

/** Throws CHECKPOINT_DAMAGED naming `path` when a single byte is not what was written. */
export function decodeManifest(bytes: Uint8Array, path: string): CheckpointManifest {
  const body = bytes.subarray(0, Math.max(0, bytes.length - TAIL_LENGTH))
  const tail = TAIL.exec(Buffer.from(bytes.subarray(body.length)).toString('latin1'))
  if (tail === null) throw damaged(path, `it is cut short or not a manifest`)
  if (sha256Hex(body) !== tail[1]) throw damaged(path, 'its content does not match its hash')
  try {
    const value: unknown = JSON.parse(`${new TextDecoder().decode(body)}}`)
    return checkManifest(value)
  } catch (error) {
    if (!(error instanceof Malformed) && !(error instanceof SyntaxError)) throw error
    throw damaged(path, error.message, error)
  }
}

export function damaged(path: string, what: string, cause?: unknown): StreamError {
  return new StreamError('CHECKPOINT_DAMAGED', `"${path}" is damaged: ${what}`, {
    hint: 'Restore the file from a backup, or start with --fresh or --from another savepoint.',
    ...(cause === undefined ? {} : { cause }),
  })
}

/** Reads a file of a checkpoint: a folder in its place is damage, and named as such. */
export async function readingFile<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    if (errnoOf(error) === 'EISDIR') throw damaged(path, 'a folder has its name', error)
    throw error
  }
}

/** A default is the job's, not the state's; and it need not be JSON. */
function withoutDefault(descriptor: StateDescriptor): StateDescriptor {
  return descriptor.type === 'value' ? { ...descriptor, default: undefined } : descriptor
}
