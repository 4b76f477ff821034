// Runs a TypeScript file of this folder: `node bench/run.mjs main chain --json`. Build the project first.
import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const here = dirname(fileURLToPath(import.meta.url))
const [name, ...rest] = process.argv.slice(2)
// Inside the project, so that `millrace` is the project itself.
const outfile = join(here, '..', 'out', 'bench', `${name}.mjs`)
await mkdir(dirname(outfile), { recursive: true })
await build({
  entryPoints: [join(here, `${name}.ts`)],
  outfile,
  bundle: true,
  format: 'esm',
  platform: 'node',
  packages: 'external',
  // No path aliases: `millrace` is the built package.
  tsconfigRaw: {},
  sourcemap: 'inline',
  logLevel: 'error',
})
process.argv = [process.argv[0], outfile, ...rest]
await import(pathToFileURL(outfile).href)
