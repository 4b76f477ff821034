/** No source reads what its own job writes, however the two folders lie to each other. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { sourceDefinition, systemFiles } from '../../engine/index.ts'
import type { SourceSplit } from '../../engine/index.ts'
import { text } from '../formats/text-format.ts'
import { testDoors } from '../testing.ts'
import { fileSource } from './file-source.ts'

let root = ''
beforeEach(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), 'millrace-own-')))
})
afterEach(() => rm(root, { recursive: true }))

const own = (folder: string, ending = '.jsonl') => {
  return { path: join(root, folder), ending, what: 'the output of "out"' }
}
const sourceAt = (path: string, watch = false) =>
  sourceDefinition(fileSource({ path: join(root, path), format: text(), watch }))

/** A path that ends in a slash is a folder; `a>b` is a link a to b. */
async function make(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const [name, to] = path.split('>') as [string, string?]
    await mkdir(join(root, dirname(`${name}x`)), { recursive: true })
    if (to !== undefined) await symlink(join(root, to), join(root, name))
    else if (!name.endsWith('/')) await writeFile(join(root, name), 'text\n')
  }
}

interface Case {
  readonly name: string
  readonly there: readonly string[]
  readonly path: string
  readonly folder: string
  readonly ending?: string
  readonly reads: boolean
}

const both = (name: string, cases: readonly Omit<Case, 'name'>[]): readonly Case[] =>
  cases.map((each) => ({ name: `${name}: ${each.path} and ${each.folder}`, ...each }))

const CASES: readonly Case[] = [
  ...both('the same folder', [
    { there: ['in/'], path: 'in', folder: 'in', reads: true },
    { there: ['in/'], path: 'in/', folder: 'in', reads: true },
    { there: ['in/'], path: 'in/../in/.', folder: 'in', reads: true },
    { there: ['in/'], path: 'in', folder: 'in', ending: '.parquet', reads: true },
  ]),
  ...both('the output below the input', [
    { there: ['in/'], path: 'in', folder: 'in/out', reads: true },
    { there: ['in/'], path: '.', folder: 'in/out', reads: true },
    { there: ['in/'], path: 'in', folder: 'in/_out', reads: false },
    { there: ['in/'], path: '.', folder: '.millrace/job', reads: false },
    { there: ['in/'], path: 'in', folder: 'in-2', reads: false },
  ]),
  ...both('the output above the input', [
    { there: ['out/day=1/'], path: 'out/day=1', folder: 'out', reads: true },
    { there: ['out/in.txt'], path: 'out/in.txt', folder: 'out', reads: false },
    { there: ['out/_in/'], path: 'out/_in', folder: 'out', reads: true },
  ]),
  ...both('links', [
    { there: ['real/', 'in>real'], path: 'in', folder: 'real', reads: true },
    { there: ['real/', 'in>real'], path: 'in', folder: 'real/out/new', reads: true },
    { there: ['real/', 'far/', 'real/in>far'], path: 'real/in', folder: 'real', reads: false },
    { there: ['in/', 'other/', 'in/link>other'], path: 'in', folder: 'in/out', reads: true },
  ]),
  ...both('patterns', [
    { there: ['in/'], path: 'in/*.jsonl', folder: 'in', reads: true },
    { there: ['in/'], path: 'in/*.csv', folder: 'in', reads: false },
    { there: ['in/'], path: 'in/*', folder: 'in/out', reads: false },
    { there: ['in/'], path: 'in/**', folder: 'in/out', reads: true },
    { there: ['in/'], path: '**/*.jsonl', folder: 'new/out', reads: true },
    { there: ['in/'], path: '{in,out}/*', folder: 'out', reads: true },
    { there: ['in/'], path: 'in/*/*', folder: 'in', reads: true },
    { there: ['out/'], path: 'out/day=*/**', folder: 'out', reads: false },
    { there: ['out/k/'], path: 'out/k/*', folder: 'out', reads: true },
  ]),
  ...both('nothing there', [{ there: [], path: 'in', folder: 'in', reads: false }]),
]

test.each(CASES)('$name', async ({ there, path, folder, ending, reads }) => {
  await make(there)
  expect(await sourceAt(path).wouldRead!(own(folder, ending), systemFiles)).toBe(reads)
})

const OURS = '0123456789abcdef-0-4294967297-0'

async function discover(path: string, watch: boolean): Promise<readonly SourceSplit[]> {
  const context = { uid: 'in', doors: testDoors(), parallelism: 1, own: [own('out')] }
  return (await sourceAt(path, watch).createEnumerator(context).discover([])).splits
}

test.each([false, true])(
  'a file of the output is refused behind a link too, watched: %s',
  async (watch) => {
    await make(['in/a.txt', 'out/notes.jsonl', 'in/link>out'])
    expect(await discover('in', watch)).toHaveLength(2)
    await make([`out/key=value/${OURS}.jsonl`])
    await expect(discover('in', watch)).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      message: `the source "in" finds a file of the output of "out": "${root}/in/link/key=value/${OURS}.jsonl"`,
    })
  },
)

test('a folder without a file is a doubt of check, unless files are waited for', async () => {
  await make(['in/', 'hidden/_a', 'hidden/.b'])
  for (const path of ['in', 'hidden']) {
    expect(await sourceAt(path).check!(systemFiles)).toMatch(/^no file is in the folder/)
    expect(await sourceAt(path, true).check!(systemFiles)).toBeUndefined()
  }
  await make(['in/a.txt'])
  expect(await sourceAt('in').check!(systemFiles)).toBeUndefined()
})

test.each(['', ' ', '\t', ' \n'])('the path %j is refused', (path) => {
  expect(() => fileSource({ path, format: text() })).toThrow(/"path" of fileSource is empty/)
})
