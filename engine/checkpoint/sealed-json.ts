import { sha256Hex } from '../base/hash.ts'

/*
 * A JSON object on disk, with its own hash:
 *
 *     sealed := body `,"sha256":"` hash `"}` LF
 *     body   := the JSON object without its closing brace, one line
 *     hash   := SHA-256 of body, 64 lower-case hex digits
 *
 * The hash comes last, so that it covers all that stands before it; what stands after it is fixed.
 * So every changed, missing, added or moved byte is found, before anything is believed.
 */

const TAIL = /^,"sha256":"([0-9a-f]{64})"\}\n$/
const TAIL_LENGTH = ',"sha256":""}\n'.length + 64

/** `json` is one object with at least one field. */
export function sealJson(json: string): Uint8Array {
  const body = Buffer.from(json.slice(0, -1))
  return Buffer.concat([body, Buffer.from(`,"sha256":"${sha256Hex(body)}"}\n`)])
}

export type Unsealed =
  | { readonly type: 'whole'; readonly json: string }
  /** No hash where it should be. */
  | { readonly type: 'no-seal' }
  | { readonly type: 'changed' }

export function unsealJson(bytes: Uint8Array): Unsealed {
  const body = bytes.subarray(0, Math.max(0, bytes.length - TAIL_LENGTH))
  const tail = TAIL.exec(Buffer.from(bytes.subarray(body.length)).toString('latin1'))
  if (tail === null) return { type: 'no-seal' }
  if (sha256Hex(body) !== tail[1]) return { type: 'changed' }
  return { type: 'whole', json: `${new TextDecoder().decode(body)}}` }
}
