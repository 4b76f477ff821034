import { systemClock } from '../../base/clock.ts'
import type { Files } from '../../base/files.ts'
import { makeDirectories } from '../../base/files.ts'
import { silentLogger } from '../../base/logger.ts'
import { seededRandom } from '../../base/random.ts'
import { keyHash } from '../../stream/key-codec.ts'
import { MemoryStore } from '../key-value-store.ts'
import type { KeyedStateOptions } from '../keyed-state-store.ts'
import { KeyedStateStore } from '../keyed-state-store.ts'

/** Names of files are never reused, not even by two stores of one test. */
let fileCount = 0

/** A store of all eight key groups in the work folder `/w`, with what a test wants otherwise. */
export async function openTestStore(
  files: Files,
  changes: Partial<KeyedStateOptions> = {},
): Promise<KeyedStateStore> {
  const workDir = changes.workDir ?? '/w'
  await makeDirectories(files, `${workDir}/state`)
  return new KeyedStateStore({
    uid: 'visits',
    subtask: 0,
    range: { first: 0, last: 7 },
    maxParallelism: 8,
    descriptors: [],
    cacheBytes: 1e9,
    doors: { clock: systemClock, files, random: seededRandom(1), logger: silentLogger },
    name: () => `file-${(fileCount += 1)}`,
    openStore: () => new MemoryStore(),
    ...changes,
    workDir,
  })
}

/** Sets the current key. */
export function at(store: KeyedStateStore, key: unknown): void {
  store.setCurrentKey(key, keyHash(key))
}
