/** What may happen to the files of a checkpoint on a disk, by chance and one after the other. */
import type { Files } from '../../engine/base/files.ts'
import type { Random } from '../../engine/base/random.ts'
import { readWholeFile } from '../../engine/base/files.ts'

/** Paths of what may be damaged: manifests, and the files that they name. */
export interface Victims {
  readonly manifests: readonly string[]
  readonly named: readonly string[]
}

interface Damage {
  readonly files: Files
  readonly random: Random
  readonly victims: Victims
  /** One of the victims. */
  readonly path: string
}

type Mutation = (damage: Damage) => Promise<void>

const SECTOR_BYTES = 512

/** The content of one file becomes another. */
function rewriting(change: (bytes: Uint8Array, random: Random) => Uint8Array): Mutation {
  return async ({ files, random, path }) => {
    await write(files, path, change((await readWholeFile(files, path)).slice(), random))
  }
}

function range(bytes: Uint8Array, random: Random, longest: number): [number, number] {
  const from = random.int(bytes.length + 1)
  return [from, Math.min(bytes.length, from + 1 + random.int(longest))]
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts))
}

function noise(random: Random, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random.int(256))
}

export const MUTATIONS: Readonly<Record<string, Mutation>> = {
  'a bit is flipped': rewriting((bytes, random) => {
    bytes[random.int(bytes.length)]! ^= 1 << random.int(8)
    return bytes
  }),
  'a byte is set': rewriting((bytes, random) => {
    bytes[random.int(bytes.length)] = random.int(256)
    return bytes
  }),
  'some bytes are noise': rewriting((bytes, random) => {
    const [from, to] = range(bytes, random, 64)
    bytes.set(noise(random, to - from), from)
    return bytes
  }),
  'a sector is zero': rewriting((bytes, random) => {
    const at = SECTOR_BYTES * random.int(Math.ceil(bytes.length / SECTOR_BYTES))
    return bytes.fill(0, at, at + SECTOR_BYTES)
  }),
  'two sectors are swapped': rewriting((bytes, random) => {
    const sectors = Math.floor(bytes.length / SECTOR_BYTES)
    if (sectors < 2) return bytes.reverse()
    const [left, right] = [random.int(sectors), random.int(sectors)].map((n) => n * SECTOR_BYTES)
    const kept = bytes.slice(left, left! + SECTOR_BYTES)
    bytes.copyWithin(left!, right!, right! + SECTOR_BYTES)
    bytes.set(kept, right)
    return bytes
  }),
  'the end is cut': rewriting((bytes, random) => bytes.slice(0, random.int(bytes.length))),
  'the beginning is cut': rewriting((bytes, random) => bytes.slice(1 + random.int(bytes.length))),
  'a range is left out': rewriting((bytes, random) => {
    const [from, to] = range(bytes, random, 200)
    return joined(bytes.subarray(0, from), bytes.subarray(to))
  }),
  'a range is there twice': rewriting((bytes, random) => {
    const [from, to] = range(bytes, random, 200)
    return joined(bytes.subarray(0, to), bytes.subarray(from))
  }),
  'it goes on with noise': rewriting((bytes, random) =>
    joined(bytes, noise(random, 1 + random.int(300))),
  ),
  'it goes on with zeros': rewriting((bytes, random) =>
    joined(bytes, new Uint8Array(1 + random.int(2 * SECTOR_BYTES))),
  ),
  'it is zero': rewriting((bytes) => bytes.fill(0)),
  'it is empty': ({ files, path }) => write(files, path, new Uint8Array(0)),
  'it is missing': ({ files, path }) => files.unlink(path),
  'it is a folder': async ({ files, path }) => {
    await files.unlink(path)
    await files.mkdir(path)
  },
  'it has the name of another': async ({ files, random, path }) => {
    await files.rename(path, `${path.slice(0, -1)}${random.int(10)}`)
  },
  'two files are swapped': async ({ files, random, victims, path }) => {
    const all = [...victims.manifests, ...victims.named]
    await swap(files, path, all[random.int(all.length)]!)
  },
  'it is another file of its operator': async ({ files, random, victims, path }) => {
    const siblings = victims.named.filter((other) => operatorOf(other) === operatorOf(path))
    const others = siblings.length > 1 ? siblings : victims.named
    await write(files, path, await readWholeFile(files, others[random.int(others.length)]!))
  },
  'there is one file more': async ({ files, random, path }) => {
    const folder = path.slice(0, path.lastIndexOf('/'))
    const name = EXTRAS[random.int(EXTRAS.length)]!
    await write(files, `${folder}/${name}`, noise(random, random.int(100)))
  },
  'a manifest has the number of another': async ({ files, random, victims }) => {
    const manifest = victims.manifests[random.int(victims.manifests.length)]!
    const number = String(random.int(2 ** 31) + random.int(3) * 2 ** 32).padStart(16, '0')
    await files.rename(manifest, manifest.replace(/\d{16}(?=\.json$)/, number))
  },
  'a manifest is there twice': async ({ files, random, victims }) => {
    const manifest = victims.manifests[random.int(victims.manifests.length)]!
    const number = String(random.int(2 ** 31) + random.int(3) * 2 ** 32).padStart(16, '0')
    const twin = manifest.replace(/\d{16}(?=\.json$)/, number)
    if (twin !== manifest) await files.link(manifest, twin)
  },
  'two manifests are swapped': async ({ files, victims }) => {
    await swap(files, victims.manifests[0]!, victims.manifests.at(-1)!)
  },
}

/** Names that a start may find beside those of its own. */
const EXTRAS = [
  'ffffffffffffffff-0-1-1',
  'ffffffffffffffff-0-4294967300-7',
  'ffffffffffffffff-0-4294967300-7.tmp',
  '0000000000000001.json.tmp',
  '0000004294967299.json.bak',
  'core',
  '.hidden',
]

export async function write(files: Files, path: string, bytes: Uint8Array): Promise<void> {
  const handle = await files.open(path, 'truncate')
  await handle.write(bytes)
  await handle.sync()
  await handle.close()
}

export async function swap(files: Files, left: string, right: string): Promise<void> {
  const [first, second] = [await readWholeFile(files, left), await readWholeFile(files, right)]
  await write(files, left, second)
  await write(files, right, first)
}

/** State files begin with what stands for their operator's uid. */
function operatorOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1).split('-')[0]!
}
