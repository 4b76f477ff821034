import { StreamError } from '../base/errors.ts'
import { errnoOf } from '../base/files.ts'
import type { StateDescriptor } from '../state/state.ts'
import { checkManifest, Malformed } from './manifest-check.ts'
import type { CheckpointManifest } from './manifest.ts'
import { sealJson, unsealJson } from './sealed-json.ts'

/* The bytes of a manifest: one JSON object, sealed (sealed-json.ts). */

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
  return sealJson(text)
}

/** Throws CHECKPOINT_DAMAGED naming `path` when a single byte is not what was written. */
export function decodeManifest(bytes: Uint8Array, path: string): CheckpointManifest {
  const unsealed = unsealJson(bytes)
  if (unsealed.type === 'no-seal') throw damaged(path, 'it is cut short or not a manifest')
  if (unsealed.type === 'changed') throw damaged(path, 'its content does not match its hash')
  try {
    return checkManifest(JSON.parse(unsealed.json))
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
