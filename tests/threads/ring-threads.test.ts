import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { createRing } from '../../engine/channel/ring.ts'

interface Result {
  readonly count: number
  readonly watermarks?: number
}

function start(role: 'writer' | 'reader', shared: object): Promise<Result> {
  return new Promise((resolve, reject) => {
    const file = new URL('ring-worker.mjs', import.meta.url)
    const worker = new Worker(file, { workerData: { role, ...shared } })
    worker.on('message', resolve)
    worker.on('error', reject)
  })
}

const seed = Math.floor(process.uptime() * 1e6) % 2 ** 31

// The reader checks every record: number, text, shape, and its place among the watermarks.
test.each([1_024, 16 * 1_024, 1_024 * 1_024])(
  `a ring of %i bytes brings its records to another thread in order (seed ${seed})`,
  async (bytes) => {
    const records = bytes === 1_024 ? 100_000 : 1_000_000
    const shared = { ring: createRing(bytes), bell: new SharedArrayBuffer(8), records, seed }
    const [, read] = await Promise.all([start('writer', shared), start('reader', shared)])
    expect(read.count).toBe(records)
    expect(read.watermarks).toBeGreaterThan(10)
  },
)
