import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { manifestName } from '../engine/checkpoint/layout.ts'
import { encodeManifest } from '../engine/checkpoint/manifest-codec.ts'
import { sampleManifest } from '../engine/checkpoint/testing/manifests.ts'
import { inspectFolder } from './inspect.ts'

test('a checkpoint that goes while it is looked at is left out', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'inspect-'))
  try {
    const manifest = sampleManifest()
    const { checkpointId } = manifest
    mkdirSync(join(folder, 'manifests'))
    const path = join(folder, 'manifests', manifestName(checkpointId))
    writeFileSync(path, encodeManifest(manifest))
    // Its name is listed and it cannot be read: as when a running job retires it in between.
    symlinkSync('gone', join(folder, 'manifests', manifestName(checkpointId - 1)))
    const { checkpoints } = await inspectFolder(folder)
    expect(checkpoints.map(({ id }) => id)).toEqual([checkpointId])
  } finally {
    rmSync(folder, { recursive: true })
  }
})
