import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { StreamError } from '../base/errors.ts'
import { sha256Hex } from '../base/hash.ts'
import { seededRandom, systemRandom } from '../base/random.ts'
import { fitToJob } from './fits-job.ts'
import { decodeManifest, encodeManifest } from './manifest-codec.ts'
import { manifestFiles } from './manifest.ts'
import type { StepDeclaration } from './snapshot.ts'
import { sampleManifest } from './testing/manifests.ts'

const PATH = 'manifests/0000004294967298.json'

test('a manifest as 0.1 wrote it is read, and fits its job', () => {
  const path = join(import.meta.dirname, '../../tests/golden/manifest-format-1/manifest.json')
  const manifest = decodeManifest(readFileSync(path), path)
  const [operator] = manifest.operators
  expect(operator).toMatchObject({ uid: 'count', kind: 'process', maxParallelism: 128 })
  expect(operator!.declared).toBeUndefined()
  const declared = { keys: [], broadcast: [], settings: {} }
  const { kind, maxParallelism, descriptors: states } = operator!
  const facts = {
    operators: new Map([['count', { kind, maxParallelism, states, declared }]]),
    sources: new Map([['clicks', 'generator']]),
    sinks: new Map([['lake', 'parquet']]),
  }
  expect(fitToJob(manifest, facts, { dropState: [], renameUid: {} })).toEqual(manifest)
  expect(decodeManifest(encodeManifest(manifest), PATH)).toEqual(manifest)
})

test('the declaration of a step comes back as it was written', () => {
  const [operator] = sampleManifest().operators
  const declared: StepDeclaration = {
    keys: [
      { type: 'fields', fields: ['a', 'b'], kinds: ['a text', null] },
      { type: 'function', fields: [], kinds: [] },
      null,
    ],
    broadcast: [{ type: 'map', name: 'r', key: { kind: 'utf8' }, value: { kind: 'int32' } }],
    settings: { windows: { sizeMs: 5 }, timers: true },
  }
  const manifest = sampleManifest({ operators: [{ ...operator!, declared }] })
  expect(decodeManifest(encodeManifest(manifest), PATH)).toEqual(manifest)
})

function refusal(bytes: Uint8Array): StreamError {
  try {
    decodeManifest(bytes, PATH)
  } catch (error) {
    if (error instanceof StreamError) return error
    throw error
  }
  throw new Error('a damaged manifest was believed')
}

/** With a hash that fits, so that only its structure can give it away. */
function sealed(value: unknown): Uint8Array {
  const body = Buffer.from(JSON.stringify(value).slice(0, -1))
  return Buffer.concat([body, Buffer.from(`,"sha256":"${sha256Hex(body)}"}\n`)])
}

test('a manifest comes back as it was written', () => {
  const manifest = sampleManifest()
  expect(decodeManifest(encodeManifest(manifest), PATH)).toEqual(manifest)
  expect(manifestFiles(manifest).map((file) => file.bytes)).toEqual([4, 3])
})

test('the default of a state is not stored, it may be a bigint', () => {
  const manifest = sampleManifest()
  const [operator] = manifest.operators
  const withDefault = {
    ...operator!,
    descriptors: [{ ...operator!.descriptors[0]!, default: 1n }],
  } as typeof operator
  const bytes = encodeManifest(sampleManifest({ operators: [withDefault!] }))
  expect(decodeManifest(bytes, PATH)).toEqual(manifest)
})

test('keys that mean something to JavaScript are kept', () => {
  const effect = JSON.parse('{"__proto__":{"a":1},"constructor":2}') as { a: number }
  const committable = { uid: 'lake', bornAt: 1, subtask: 0, sequence: 0, effect }
  const sinks = [{ uid: 'lake', kind: 'file', committables: [committable] }]
  const read = decodeManifest(encodeManifest(sampleManifest({ sinks })), PATH)
  expect(JSON.stringify(read.sinks[0]!.committables[0]!.effect)).toBe(JSON.stringify(effect))
})

test('every random change of its bytes is found, and the file is named', () => {
  const bytes = encodeManifest(sampleManifest())
  const seed = systemRandom.int(2 ** 32)
  const random = seededRandom(seed)
  for (let round = 0; round < 1_000; round += 1) {
    const changed = mutate(bytes, random)
    if (Buffer.compare(changed, bytes) === 0) continue
    const error = refusal(changed)
    expect(error.code, `seed ${seed}, round ${round}`).toBe('CHECKPOINT_DAMAGED')
    expect(error.message).toContain(PATH)
  }
})

function mutate(bytes: Uint8Array, random: ReturnType<typeof seededRandom>): Uint8Array {
  const at = random.int(bytes.length)
  const length = 1 + random.int(bytes.length - at)
  const changed = Uint8Array.from(bytes)
  switch (random.int(7)) {
    case 0:
      changed[at]! ^= 1 << random.int(8)
      return changed
    case 1:
      return changed.subarray(0, at)
    case 2:
      return Buffer.concat([changed.subarray(0, at), changed.subarray(at + length)])
    case 3:
      return Buffer.concat([changed, changed.subarray(at)])
    case 4:
      return changed.fill(0, at, at + length)
    case 5:
      return Buffer.concat([changed.subarray(0, at), changed.subarray(at, at + 1), changed])
    default:
      changed.copyWithin(at, random.int(bytes.length), bytes.length)
      return changed
  }
}

test('every single byte counts', () => {
  const bytes = encodeManifest(sampleManifest())
  for (let at = 0; at < bytes.length; at += 1) {
    const changed = Uint8Array.from(bytes)
    changed[at]! ^= 0x20
    expect(refusal(changed).code).toBe('CHECKPOINT_DAMAGED')
  }
})

test('a structure that is not a manifest is refused, whatever its hash says', () => {
  const manifest = sampleManifest()
  const [operator] = manifest.operators
  const [sink] = manifest.sinks
  const escaping = { path: 'state/../../etc/passwd', bytes: 1, sha256: '0'.repeat(64) }
  const twice = [sink!.committables[0]!, sink!.committables[0]!]
  const wrong: readonly (readonly [unknown, RegExp])[] = [
    [{ ...manifest, format: 2 }, /format is 2/],
    [{ ...manifest, operators: undefined }, /operators is no list/],
    [{ ...manifest, operators: [operator, operator] }, /name a uid twice/],
    [{ ...manifest, operators: [{ ...operator, subtasks: [] }] }, /has not all its subtasks/],
    [{ ...manifest, checkpointId: -1 }, /checkpointId is -1/],
    [{ ...manifest, final: 'yes' }, /final is neither/],
    [{ ...manifest, lineage: null }, /lineage is no object/],
    [{ ...manifest, sinks: [{ ...sink, uid: 'other' }] }, /holds a committable of "lake"/],
    [{ ...manifest, sinks: [{ ...sink, committables: twice }] }, /out of order/],
    [{ ...manifest, staged: [{ original: 'x', file: escaping }] }, /path is "state\/\.\.\//],
  ]
  for (const [value, message] of wrong) expect(refusal(sealed(value)).message).toMatch(message)
})

test('what could not be read back is not written', () => {
  const [operator] = sampleManifest().operators
  const subtasks = operator!.subtasks.map((subtask) => ({ ...subtask, watermarkMs: NaN }))
  expect(() => encodeManifest(sampleManifest({ operators: [{ ...operator!, subtasks }] }))).toThrow(
    /built wrongly.*watermarkMs/,
  )
})
