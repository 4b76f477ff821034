/** A process that runs a thousand jobs holds no more after the last than after the first. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ROOT } from '../millrace.ts'
import { figures, share } from '../share.ts'
import { buildProgram } from './contenders.ts'
import { median, processesIn } from './leftovers.ts'
import type { Sample } from './programs/many-runs.ts'
import { runProgram } from './program.ts'

const JOB = `
import { count, defineJob, int32, parameter, struct, utf8 } from 'millrace'
import { fileSink, generatorSource } from 'millrace/connectors'
const Count = struct({ key: utf8(), n: int32() })
const parameters = {
  out: parameter.text(),
  fails: parameter.flag({ default: false }),
  records: parameter.integer({ default: 200 }),
  perSecond: parameter.integer({ default: 100000 }),
}
export default defineJob('small', parameters, (env, { out, fails, records, perSecond }) => {
  env.checkpointing({ everyMs: 20 })
  env.restart({ strategy: 'none' })
  env.fromSource('numbers', generatorSource({
    records,
    perSecond,
    generate: (index) => ({ key: 'k' + (index % 10), index }),
  }))
    .map((record) => {
      if (fails && record.index === 150) throw new Error('told to fail')
      return record
    })
    .keyBy('key')
    .aggregate('count', { n: count() })
    .sinkTo('files', fileSink({ directory: out, schema: Count }))
})
`
/** What the heap may grow a run, KiB. A leaked worker handle, manifest or module is more. */
const HEAP_KB_A_RUN = 4
const HEAP_KB_SLACK = 1_024

test('descriptors, threads, listeners and heap stay as they are through many runs in one process', async () => {
  const startedMs = performance.now()
  const runs = share(24, 1_000)
  const folder = mkdtempSync(join(tmpdir(), 'millrace-runs-'))
  try {
    mkdirSync(join(folder, 'node_modules'))
    symlinkSync(ROOT, join(folder, 'node_modules', 'millrace'))
    mkdirSync(join(folder, 'tmp'))
    writeFileSync(join(folder, 'job.ts'), JOB)
    const program = await buildProgram('many-runs.ts', join(folder, 'program'))
    const every = Math.max(5, Math.floor(runs / 20))
    const { output } = await runProgram(program, [runs, every], folder, ['--expose-gc'])
    const samples = output.map((line) => JSON.parse(line) as Sample)
    // The first ones warm up: code is compiled, pools of threads are made.
    const warm = samples.slice(Math.ceil(samples.length / 5))
    const early = warm.slice(0, Math.ceil(warm.length / 3))
    const late = warm.slice(-Math.ceil(warm.length / 3))
    const of = (part: readonly Sample[], what: keyof Sample): number =>
      median(part.map((sample) => sample[what]))
    const between = of(late, 'runs') - of(early, 'runs')
    const said = samples.map((sample) => JSON.stringify(sample)).join('\n')
    const heapKbARun = (of(late, 'heapKb') - of(early, 'heapKb')) / between
    figures('runs in one process', {
      runs,
      descriptors: `${of(early, 'descriptors')} → ${of(late, 'descriptors')}`,
      threads: `${of(early, 'threads')} → ${of(late, 'threads')}`,
      listeners: `${of(early, 'listeners')} → ${of(late, 'listeners')}`,
      heapKb: `${of(early, 'heapKb')} → ${of(late, 'heapKb')}`,
      heapKbARun: heapKbARun.toFixed(1),
      seconds: Math.round((performance.now() - startedMs) / 1_000),
    })
    for (const what of ['descriptors', 'threads', 'listeners'] as const) {
      expect(of(late, what), `${what}\n${said}`).toBeLessThanOrEqual(of(early, what))
    }
    expect(of(late, 'heapKb'), said).toBeLessThanOrEqual(
      of(early, 'heapKb') + HEAP_KB_SLACK + between * HEAP_KB_A_RUN,
    )
    expect(existsSync(join(folder, '.millrace', '.bundles'))).toBe(false)
    expect(readdirSync(join(folder, 'tmp'))).toEqual([])
    expect(processesIn(folder)).toEqual([])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}, 3_600_000)
