/** The container of `init --service`, built and started step by step, without a container. */
import { expect, test } from 'vitest'
import { dockerfile, dockerignore } from './init-files.ts'

interface Entry {
  readonly owner: string
  readonly mode: number
}

/** What a build has made so far: who owns which path, and as whom the next step runs. */
class Image {
  readonly #paths = new Map<string, Entry>([['/', { owner: 'root', mode: 0o755 }]])
  user = 'root'
  folder = '/'
  volumes: readonly string[] = []
  entrypoint: readonly string[] = []

  add(path: string, entry: Entry): void {
    this.#paths.set(path, entry)
  }

  has(path: string): boolean {
    return this.#paths.has(path)
  }

  owner(path: string): string | undefined {
    return this.#paths.get(path)?.owner
  }

  mayWrite(path: string): boolean {
    return this.user === 'root' || this.owner(path) === this.user
  }

  mayRead(path: string): boolean {
    const entry = this.#paths.get(path)
    if (entry === undefined) return false
    return this.user === 'root' || entry.owner === this.user || (entry.mode & 0o4) !== 0
  }
}

/** The folder that is built: as a user with a umask of 077 has it, all files for themself only. */
const CONTEXT = [
  ...['job.ts', 'tsconfig.json', 'package.json', 'package-lock.json', 'lib/prices.ts'],
  ...['node_modules/millrace/package.json', '.millrace/page-views/owner.json', 'out/views/a.jsonl'],
  ...['.git/config', '.env', '.env.local', 'Dockerfile', '.dockerignore', 'job.service'],
]

function isIgnored(path: string): boolean {
  return dockerignore()
    .trim()
    .split('\n')
    .some((pattern) => {
      const text = pattern.replaceAll('.', '\\.').replaceAll('*', '[^/]*')
      return new RegExp(`^${text}(/|$)`).test(path)
    })
}

function build(text: string): Image {
  const image = new Image()
  const lines = text
    .replaceAll('\\\n', ' ')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
  for (const line of lines) step(image, line)
  return image
}

function step(image: Image, line: string): void {
  const [, name = '', rest = ''] = /^([A-Z]+) (.*)$/.exec(line) ?? []
  switch (name) {
    case 'FROM':
      expect(rest).toMatch(/^node:\d+-slim$/)
      return
    case 'USER':
      image.user = rest
      return
    case 'WORKDIR':
      if (!image.has(rest)) image.add(rest, { owner: 'root', mode: 0o755 })
      image.folder = rest
      return
    case 'RUN':
      for (const command of rest.split('&&')) run(image, command.trim())
      return
    case 'COPY':
      copy(image, rest)
      return
    case 'VOLUME':
      image.volumes = JSON.parse(rest) as readonly string[]
      return
    case 'ENTRYPOINT':
      image.entrypoint = JSON.parse(rest) as readonly string[]
      return
    case 'STOPSIGNAL':
      expect(rest).toBe('SIGTERM')
      return
    default:
      expect.fail(`the Dockerfile has a step that this test does not know: ${line}`)
  }
}

function run(image: Image, command: string): void {
  const [name, ...words] = command.split(' ')
  switch (name) {
    case 'mkdir':
      for (const path of words.filter((word) => word.startsWith('/'))) {
        const parts = path.slice(1).split('/')
        for (const [index] of parts.entries()) {
          const parent = `/${parts.slice(0, index).join('/')}`
          const made = `/${parts.slice(0, index + 1).join('/')}`
          if (image.has(made)) continue
          expect(image.mayWrite(parent), `${image.user} makes ${made}`).toBe(true)
          image.add(made, { owner: image.user, mode: 0o755 })
        }
      }
      return
    case 'chown':
      expect(image.user).toBe('root')
      for (const path of words.slice(1)) {
        expect(image.has(path), path).toBe(true)
        image.add(path, { owner: words[0]!.split(':')[0]!, mode: 0o755 })
      }
      return
    case 'npm':
      expect(words).toEqual(['ci', '--omit=dev'])
      for (const file of ['package.json', 'package-lock.json']) {
        expect(image.mayRead(`${image.folder}/${file}`), `npm reads ${file}`).toBe(true)
      }
      expect(image.mayWrite(image.folder), 'npm makes node_modules').toBe(true)
      image.add(`${image.folder}/node_modules`, { owner: image.user, mode: 0o755 })
      return
    default:
      expect.fail(`the Dockerfile has a command that this test does not know: ${command}`)
  }
}

/** Modes come from the context; owners from --chown, root without it. */
function copy(image: Image, rest: string): void {
  const words = rest.split(' ')
  const chown = words.find((word) => word.startsWith('--chown='))
  const owner = chown === undefined ? 'root' : chown.slice('--chown='.length).split(':')[0]!
  const sources = words.filter((word) => !word.startsWith('--')).slice(0, -1)
  for (const path of CONTEXT) {
    if (isIgnored(path) || !(sources.includes('.') || sources.includes(path))) continue
    const folders = path.split('/').slice(0, -1)
    for (const [index] of folders.entries()) {
      image.add(`${image.folder}/${folders.slice(0, index + 1).join('/')}`, { owner, mode: 0o700 })
    }
    image.add(`${image.folder}/${path}`, { owner, mode: 0o600 })
  }
}

test('the image builds and the job runs as node: reads its files, writes state and output', () => {
  const image = build(dockerfile('job.ts'))
  expect(image.user).toBe('node')
  expect(image.folder).toBe('/app')
  for (const file of ['job.ts', 'lib', 'lib/prices.ts', 'package.json', 'tsconfig.json']) {
    expect(image.mayRead(`/app/${file}`), `reads ${file}`).toBe(true)
  }
  // The work folder, the bundle (./.millrace), the output of the first job, and what holds it.
  for (const path of ['/state', '/app', '/app/out']) expect(image.mayWrite(path), path).toBe(true)
  expect(image.volumes).toEqual(['/state', '/app/out'])
  expect(image.entrypoint).toEqual([
    ...['node', 'node_modules/millrace/dist/cli/main.js', 'run', 'job.ts'],
    ...['--work-dir', '/state', '--log-format', 'json'],
  ])
})

test('nothing that is local or secret gets into the image', () => {
  const image = build(dockerfile('job.ts'))
  const local = ['.millrace', 'out/views', '.git', '.env', '.env.local', 'node_modules/millrace']
  for (const path of [...local, 'job.service', 'Dockerfile']) {
    expect(image.has(`/app/${path}`), path).toBe(false)
  }
})
