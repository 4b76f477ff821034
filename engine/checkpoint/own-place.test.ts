import { afterEach, beforeEach, expect, test } from 'vitest'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { JobGraph } from '../graph/job-graph.ts'
import { systemFiles } from '../base/files.ts'
import { workLayout } from './layout.ts'
import { refuseForeignPlace } from './own-place.ts'

/** Real folders: what a person may name as a work folder. */
let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'place-'))
})
afterEach(() => rm(root, { recursive: true }))

const at = (...parts: readonly string[]): string => join(root, ...parts)

function graphOf(folder?: string): JobGraph {
  const node = {
    uid: 'lake',
    runtime: { type: 'sink', sink: { kind: 'files', publishes: { folder, ending: '.jsonl' } } },
  }
  return { vertices: [{ chain: [node] }] } as unknown as JobGraph
}

const refuse = (workDir: string, { fresh = false, out = at('out') } = {}): Promise<void> =>
  refuseForeignPlace(systemFiles, workLayout(workDir), graphOf(out), fresh)

async function make(...paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    if (path.endsWith('/')) await mkdir(at(path), { recursive: true })
    else {
      await mkdir(dirname(at(path)), { recursive: true })
      await writeFile(at(path), '')
    }
  }
}

test('a folder that is not there, an empty one, and one of ours are taken', async () => {
  await refuse(at('new/deep'))
  await make('empty/', 'disk/lost+found/', 'ours/epochs/', 'ours/owner/', 'ours/owner.json')
  await make('ours/owner.json.tmp', 'ours/control.sock', 'ours/state/', 'ours/manifests/')
  await make('cut/owner/', 'cut/owner.json')
  for (const name of ['empty', 'disk', 'ours', 'cut']) {
    await refuse(at(name))
    await refuse(at(name), { fresh: true })
  }
})

test.each([
  ['a project', ['x/job.ts', 'x/node_modules/'], /holds files .* such as "job.ts"/],
  ['hidden files', ['x/.git/'], /such as ".git"/],
  ['the folder of all jobs', ['x/.bundles/', 'x/counting/epochs/'], /such as ".bundles"/],
  ['a savepoint', ['x/manifest.json', 'x/state/'], /such as "manifest.json"/],
  ['a file', ['x'], /is a file$/],
])('%s is refused, fresh or not', async (_, paths, message) => {
  await make(...paths)
  for (const fresh of [false, true]) {
    const thrown = refuse(at('x'), { fresh })
    await expect(thrown).rejects.toMatchObject({ code: 'WORK_DIR_FOREIGN' })
    await expect(thrown).rejects.toThrow(message)
  }
})

test('the root of the disk and a home are refused', async () => {
  const unrelated = { out: at('out') }
  await expect(refuse('/', unrelated)).rejects.toMatchObject({ code: 'WORK_DIR_FOREIGN' })
  const names = await systemFiles.list(homedir())
  if (names.length > 0) await expect(refuse(homedir())).rejects.toThrow(/holds files|lie in each/)
})

test('a stray file does not stop a job that goes on, but is not moved', async () => {
  await make('x/epochs/', 'x/notes.txt')
  await refuse(at('x'))
  await expect(refuse(at('x'), { fresh: true })).rejects.toThrow(/such as "notes.txt"/)
})

test.each([
  ['the same', 'out', 'out'],
  ['state in the output', 'out/state', 'out'],
  ['the output in the state', 'state', 'state/out'],
  ['by a way around', 'state', 'x/../state/./out/'],
])('state and output lie in each other: %s', async (_, workDir, out) => {
  await expect(refuse(at(workDir), { out: `${root}/${out}` })).rejects.toThrow(/lie in each other/)
})

test('folders beside each other whose names begin alike are two', async () => {
  await refuse(at('out-state'), { out: at('out') })
  await refuse(at('out'), { out: at('out-2') })
})
