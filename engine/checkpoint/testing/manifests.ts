import type { FileReference } from '../snapshot.ts'
import { sha256Hex } from '../../base/hash.ts'
import { checkpointIdOf, stateFileName, uidHash } from '../layout.ts'
import type { CheckpointManifest } from '../manifest.ts'

/** A small manifest with something of everything; tests change what they are about. */
export function sampleManifest(changes: Partial<CheckpointManifest> = {}): CheckpointManifest {
  const checkpointId = changes.checkpointId ?? checkpointIdOf(1, 2)
  return {
    format: 1,
    job: 'visits',
    lineage: { id: 'lineage-a', parent: null, parentCheckpoint: null },
    checkpointId,
    instance: 'instance-a',
    createdAtMs: 1_700_000_000_000,
    planHash: 'plan-1',
    parameters: { directory: './out', limit: 3 },
    final: false,
    drained: false,
    counters: { recordsIn: 12 },
    operators: [
      {
        uid: 'count',
        kind: 'process',
        parallelism: 2,
        maxParallelism: 128,
        descriptors: [{ type: 'value', name: 'clicks', value: { kind: 'int32' } }],
        codecVersion: 1,
        subtasks: [
          { chain: [stateFile('count', 0, checkpointId, 'zero').reference], watermarkMs: -5 },
          { chain: [stateFile('count', 1, checkpointId, 'one').reference], watermarkMs: -5 },
        ],
      },
    ],
    sources: [
      {
        uid: 'clicks',
        kind: 'generator',
        complete: true,
        enumerated: [
          { id: 'a', index: 0, start: 0 },
          { id: 'b', index: 1, start: 0 },
        ],
        splits: [
          { id: 'a', position: { offset: 7 }, finished: false, watermarkMs: -5, generator: [1, 2] },
        ],
      },
    ],
    sinks: [
      {
        uid: 'lake',
        kind: 'parquet',
        committables: [
          { uid: 'lake', bornAt: checkpointId, subtask: 0, sequence: 0, effect: { staged: 'x' } },
        ],
      },
    ],
    staged: [],
    ...changes,
  }
}

/** Content and reference of a state file as a subtask would have written it. */
export function stateFile(
  uid: string,
  subtask: number,
  checkpointId: number,
  content: string,
): { readonly reference: FileReference; readonly bytes: Uint8Array } {
  const bytes = new TextEncoder().encode(content)
  const name = stateFileName(uidHash(uid), subtask, checkpointId, 1)
  const path = `state/${name}`
  return { bytes, reference: { path, bytes: bytes.length, sha256: sha256Hex(bytes) } }
}
