import { basename, extname, join, resolve } from 'node:path'
import { StreamError } from '../engine/base/errors.ts'
import { exists, readWholeFile, systemFiles, writeWholeFile } from '../engine/base/files.ts'
import {
  dockerfile,
  dockerignore,
  firstJob,
  gitignore,
  readme,
  serviceUnit,
  tsconfig,
} from './init-files.ts'
import { packageVersion } from './own-package.ts'

export interface InitFlags {
  readonly service?: boolean
  readonly job?: string
}

/** `millrace init`: writes a first job, or with --service what runs one. Overwrites nothing. */
export async function initCommand(flags: InitFlags): Promise<number> {
  const folder = process.cwd()
  const job = flags.job ?? 'job.ts'
  const files = flags.service === true ? serviceFiles(folder, job) : await jobFiles(folder)
  await refuseOverwrite(folder, Object.keys(files))
  for (const [name, text] of Object.entries(files)) {
    await writeWholeFile(systemFiles, join(folder, name), text)
    process.stdout.write(`wrote ${name}\n`)
  }
  if (flags.service !== true) await finishPackage(folder)
  process.stdout.write(flags.service === true ? SERVICE_NEXT : JOB_NEXT)
  return 0
}

const JOB_NEXT = `
Next:
  npm install                   brings typescript, for "millrace check"
  npx millrace run job.ts       counts 600,000 page views into ./out/views; Ctrl-C stops it,
                                and the same command resumes it
  npx millrace explain job.ts   shows what runs
`
const SERVICE_NEXT = `
Next: read the files; they name this folder and the job, and where its state lives.
`

type NewFiles = Readonly<Record<string, string>>

async function jobFiles(folder: string): Promise<NewFiles> {
  const has = (name: string): Promise<boolean> => exists(systemFiles, join(folder, name))
  return {
    'job.ts': firstJob(),
    ...((await has('tsconfig.json')) ? {} : { 'tsconfig.json': tsconfig() }),
    ...((await has('.gitignore')) ? {} : { '.gitignore': gitignore() }),
    ...((await has('README.md')) ? {} : { 'README.md': readme(basename(folder)) }),
  }
}

function serviceFiles(folder: string, job: string): NewFiles {
  const name = basename(job, extname(job))
  return {
    [`${name}.service`]: serviceUnit(name, resolve(folder), job),
    Dockerfile: dockerfile(job),
    '.dockerignore': dockerignore(),
  }
}

async function refuseOverwrite(folder: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    if (!(await exists(systemFiles, join(folder, name)))) continue
    throw new StreamError('USAGE', `"${name}" exists here already`, {
      hint: 'Begin in an empty folder, or move the file away.',
    })
  }
}

/** Makes package.json, or adds the dependency to one that `npm init` has made. */
async function finishPackage(folder: string): Promise<void> {
  const path = join(folder, 'package.json')
  const isThere = await exists(systemFiles, path)
  const data = isThere ? await readObject(path) : newPackage(basename(folder))
  const scripts = { ...SCRIPTS, ...objectOf(data['scripts']) }
  const given = objectOf(data['dependencies'])
  const millrace = given['millrace'] ?? `^${await packageVersion()}`
  const dependencies = { ...given, millrace }
  const devDependencies = { ...TYPES, ...objectOf(data['devDependencies']) }
  await writeWholeFile(
    systemFiles,
    path,
    `${JSON.stringify({ ...data, scripts, dependencies, devDependencies }, null, 2)}\n`,
  )
  process.stdout.write(isThere ? 'added to package.json\n' : 'wrote package.json\n')
}

const SCRIPTS = {
  start: 'millrace run job.ts',
  dev: 'millrace dev job.ts',
  check: 'millrace check job.ts',
}

/** For `npm run check`. */
const TYPES = { '@types/node': '>=20', typescript: '>=5.9' }

function newPackage(folder: string): Record<string, unknown> {
  const name = folder
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]+/g, '-')
    .replace(/^[._-]+/, '')
  return { name: name === '' ? 'my-job' : name, version: '0.1.0', private: true, type: 'module' }
}

function objectOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

async function readObject(path: string): Promise<Record<string, unknown>> {
  const text = new TextDecoder().decode(await readWholeFile(systemFiles, path))
  try {
    return objectOf(JSON.parse(text))
  } catch (error) {
    throw new StreamError('USAGE', 'the package.json here is not JSON', {
      hint: 'Correct it, or begin in an empty folder.',
      cause: error,
    })
  }
}
