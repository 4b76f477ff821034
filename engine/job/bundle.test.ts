import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { bundleJob } from './bundle.ts'

/** Real folders and real packages: a project in one place, its bundles in quite another. */
let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'bundle-'))
})
afterEach(() => rm(root, { recursive: true }))

async function write(path: string, text: string): Promise<string> {
  const full = join(root, path)
  await mkdir(dirname(full), { recursive: true })
  await writeFile(full, text)
  return full
}

async function writePackage(at: string, name: string, version: string): Promise<void> {
  const manifest = { name, version, type: 'module', exports: './main.js' }
  await write(join(at, 'node_modules', name, 'package.json'), JSON.stringify(manifest))
  await write(join(at, 'node_modules', name, 'main.js'), `export const version = '${version}'`)
}

async function bundle(job: string): Promise<{ path: string; hash: string; code: string }> {
  const made = await bundleJob(join(root, job), join(root, 'elsewhere', 'bundle'))
  return { ...made, code: await readFile(made.path, 'utf8') }
}

async function run(job: string): Promise<unknown> {
  const made = await bundle(job)
  const loaded = (await import(pathToFileURL(made.path).href)) as { default: unknown }
  return loaded.default
}

test('local files and JSON are in the bundle', async () => {
  await write('project/shops.json', '{ "berlin": 3 }')
  await write('project/lib/factor.ts', 'export const factor: number = 2')
  await write(
    'project/job.ts',
    `import shops from './shops.json' with { type: 'json' }
     import { factor } from './lib/factor.ts'
     export default shops.berlin * factor`,
  )
  expect(await run('project/job.ts')).toBe(6)
})

test('a package is found from the file that imports it, from any folder', async () => {
  await writePackage('project', 'tool', '1.0.0')
  await writePackage('project/nested', 'tool', '2.0.0')
  await write('project/nested/inner.ts', `export { version } from 'tool'`)
  await write(
    'project/job.ts',
    `import { version } from 'tool'
     import { version as inner } from './nested/inner.ts'
     export default [version, inner]`,
  )
  expect(await run('project/job.ts')).toEqual(['1.0.0', '2.0.0'])
  expect((await bundle('project/job.ts')).code).not.toContain(`= '1.0.0'`)
})

test('a local CommonJS file may require a package', async () => {
  await write('project/node_modules/old/package.json', '{ "name": "old", "version": "1.0.0" }')
  await write('project/node_modules/old/index.js', 'module.exports = { answer: 42 }')
  await write('project/legacy.cjs', `module.exports = require('old').answer + require('path').sep`)
  await write('project/job.ts', `import answer from './legacy.cjs'\nexport default answer`)
  expect(await run('project/job.ts')).toBe('42/')
})

test('a CommonJS job: its own places, a local helper, and what is required at run time', async () => {
  await write('project/shops.json', '{ "berlin": 3 }')
  await write('project/node_modules/old/package.json', '{ "name": "old", "version": "1.0.0" }')
  await write('project/node_modules/old/index.js', 'module.exports = 2')
  await write('project/lib/helper.cjs', `exports.where = [__dirname, __filename]`)
  await write(
    'project/job.cjs',
    `const { where } = require('./lib/helper.cjs')
     const path = require('node:path')
     const shops = require(path.join(__dirname, 'shops.json'))
     const found = require.resolve('old')
     module.exports = [...where, __dirname, __filename, shops.berlin * require('old'), found]`,
  )
  const at = (path: string): string => join(root, 'project', path)
  expect(await run('project/job.cjs')).toEqual([
    at('lib'),
    at('lib/helper.cjs'),
    at('.'),
    at('job.cjs'),
    6,
    at('node_modules/old/index.js'),
  ])
})

test('a __dirname that a module declares is its own', async () => {
  await write(
    'project/job.ts',
    `const __dirname: string = new URL('x', import.meta.url).pathname\nexport default __dirname`,
  )
  expect(await run('project/job.ts')).toBe(join(root, 'project/x'))
})

test('millrace is imported once, also where it is required', async () => {
  await write('project/helper.cjs', `exports.n = require('millrace').int32()`)
  await write('project/job.ts', `import { n } from './helper.cjs'\nexport default n`)
  const { code } = await bundle('project/job.ts')
  const own = pathToFileURL(join(import.meta.dirname, '../../dist/operators/index.js')).href
  expect(code).toContain(`from ${JSON.stringify(own)}`)
  expect(code).not.toContain(`__require(${JSON.stringify(own)}`)
})

test('the hash of a job with a require is not of its place', async () => {
  for (const folder of ['a', 'b']) {
    await write(`${folder}/job.cjs`, `module.exports = (name) => require(name)`)
  }
  expect((await bundle('b/job.cjs')).hash).toBe((await bundle('a/job.cjs')).hash)
})

test('a linked workspace folder is local', async () => {
  await write('libs/units/package.json', '{ "name": "units", "exports": "./units.ts" }')
  await write('libs/units/units.ts', 'export const unit: string = "km"')
  await mkdir(join(root, 'project/node_modules'), { recursive: true })
  await symlink(join(root, 'libs/units'), join(root, 'project/node_modules/units'))
  await write('project/job.ts', `import { unit } from 'units'\nexport default unit`)
  expect(await run('project/job.ts')).toBe('km')
})

test('import.meta stays that of the source file', async () => {
  const inner = await write('project/lib/where.ts', 'export const where: string = import.meta.url')
  const job = await write(
    'project/job.ts',
    `import { where } from './lib/where.ts'
     export default [import.meta.url, where, import.meta.dirname]`,
  )
  expect(await run('project/job.ts')).toEqual([
    pathToFileURL(job).href,
    pathToFileURL(inner).href,
    dirname(job),
  ])
})

test('millrace is the running package', async () => {
  await writePackage('project', 'millrace', '0.0.1')
  await write('project/job.ts', `import * as m from 'millrace/connectors'\nexport default m`)
  const made = await bundle('project/job.ts')
  const own = pathToFileURL(join(import.meta.dirname, '../../dist/connectors/index.js')).href
  expect(made.code).toContain(JSON.stringify(own))
})

test('the hash is of the code and the versions, not of the place', async () => {
  const job = `import { version } from 'tool'\nexport default version`
  for (const [folder, version] of [
    ['a', '1.0.0'],
    ['b', '1.0.0'],
    ['c', '1.0.1'],
  ] as const) {
    await writePackage(folder, 'tool', version)
    await write(`${folder}/job.ts`, job)
  }
  const a = await bundle('a/job.ts')
  expect((await bundle('b/job.ts')).hash).toBe(a.hash)
  expect((await bundle('c/job.ts')).hash).not.toBe(a.hash)
  await write('a/job.ts', `${job} + '!'`)
  expect((await bundle('a/job.ts')).hash).not.toBe(a.hash)
})

test('the local files are listed, for watching', async () => {
  const inner = await write('project/inner.ts', 'export const a = 1')
  await writePackage('project', 'tool', '1.0.0')
  const job = await write(
    'project/job.ts',
    `import 'tool'\nexport { a as default } from './inner.ts'`,
  )
  const { inputs } = await bundleJob(job, join(root, 'out'))
  expect([...inputs].sort()).toEqual([inner, job])
})

test('for dev, a module stands before the job that has its sinks print', async () => {
  const job = await write('project/job.ts', `export default 'the job'`)
  const { path, inputs } = await bundleJob(job, join(root, 'out'), { dev: true })
  expect(await readFile(path, 'utf8')).toMatch(/printingJob\(job_default\)/)
  expect(inputs).toEqual([job])
})

test('an error in a stack names the line of the source', async () => {
  await write('project/job.ts', `type A = {\n  b: string\n}\nexport default new Error('x')\n`)
  const made = await bundle('project/job.ts')
  const map = made.code.slice(made.code.lastIndexOf('base64,') + 7)
  const data = JSON.parse(Buffer.from(map, 'base64').toString()) as { sources: string[] }
  expect(join(dirname(made.path), data.sources[0]!)).toBe(join(root, 'project/job.ts'))
})

test.each([
  ['a syntax error', `const a = \nexport default 1 +`, /job\.ts:2:1: /],
  ['one beside import.meta', `import.meta.url\nexport default 1 +`, /job\.ts:2:19: /],
  ['a missing package', `import 'nowhere'`, /job\.ts:1:8: Could not resolve "nowhere"/],
  ['a missing file', `import './nowhere.ts'`, /job\.ts:1:8: Could not resolve/],
  ['an unknown part', `import 'millrace/nothing'`, /millrace has no part "millrace\/nothing"/],
])('%s is told with its place', async (_, text, message) => {
  await write('project/job.ts', text)
  const thrown = bundle('project/job.ts')
  await expect(thrown).rejects.toMatchObject({ code: 'JOB_BUNDLE_FAILED' })
  await expect(thrown).rejects.toThrow(message)
})

test('a script that is not there is told as such', async () => {
  await expect(bundle('project/job.ts')).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' })
  await write('project/job.txt', '')
  await expect(bundle('project/job.txt')).rejects.toThrow(/is no script/)
})
