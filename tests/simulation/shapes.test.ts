/**
 * Jobs of many shapes through crashes, power losses, stops, savepoints and other parallelisms, in
 * one thread and in an order of events that a seed decides: what they publish is complete, each row
 * once.
 */
import { expect, test } from 'vitest'
import { readWholeFile, type Files } from '../../engine/base/files.ts'
import { simulateJob } from '../../engine/simulation/simulation.ts'
import { rowOf } from '../kill/oracle.ts'
import { firstSeed, share } from '../share.ts'
import { shapes } from './shapes.ts'

const seed = firstSeed()
const runs = share(4, 60)

for (const { name, job, expected } of shapes) {
  test(`${name}: complete, each row once`, async () => {
    for (let run = 0; run < runs; run += 1) {
      const life = `${name}, seed ${seed + run}`
      const { disk, history, summary } = await simulateJob({
        job,
        parameters: {},
        parallelisms: [2, 3, 1, 2, 4, 2],
        seed: seed + run,
        stepsMax: Number(process.env['MILLRACE_TEST_STEPS'] ?? 600),
        stops: true,
        faults: run % 2 === 1,
      }).catch((error: unknown) => {
        throw new Error(life, { cause: error })
      })
      const message = `${life}, ${summary.status}\n${history.join('\n')}`
      for (const [folder, rows] of Object.entries(expected)) {
        expect(await published(disk.files(), `/${folder}`), message).toEqual(rows)
      }
    }
  }, 600_000)
}

async function published(files: Files, folder: string): Promise<readonly string[]> {
  const rows: string[] = []
  for (const name of await files.list(folder)) {
    if (!name.endsWith('.jsonl')) continue
    const text = new TextDecoder().decode(await readWholeFile(files, `${folder}/${name}`))
    for (const line of text.split('\n')) if (line !== '') rows.push(asRow(line))
  }
  return rows.sort()
}

/** As the oracle writes it: totals as its rows, the others as they are. */
function asRow(line: string): string {
  const row = JSON.parse(line) as Readonly<Record<string, string | number>>
  if (row['user'] === undefined) return JSON.stringify({ id: row['id'] })
  const [start, end] = [row['start']!, row['end']!].map((at) =>
    typeof at === 'number' ? at : Date.parse(at),
  )
  return rowOf(String(row['user']), start!, end!, Number(row['events']), Number(row['amount']))
}
