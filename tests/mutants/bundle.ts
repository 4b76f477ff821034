/** Bundles the hunter with an engine in which one thing is wrong. */
import { build, type Plugin } from 'esbuild'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Mutant } from './mutants.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Undefined: the engine as it is. Throws when the place of the bug is not there any more. */
export async function bundleHunter(mutant: Mutant | undefined, outfile: string): Promise<void> {
  await build({
    entryPoints: [join(ROOT, 'tests/mutants/hunt.ts')],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    logLevel: 'silent',
    alias: {
      'millrace/connectors': join(ROOT, 'connectors/index.ts'),
      'millrace/testing': join(ROOT, 'engine/testing/index.ts'),
      millrace: join(ROOT, 'operators/index.ts'),
    },
    plugins: mutant === undefined ? [] : [planted(mutant)],
  })
}

export function plant(mutant: Mutant): string {
  const text = readFileSync(join(ROOT, mutant.file), 'utf8')
  const [before, after, ...more] = text.split(mutant.find)
  if (after === undefined || more.length > 0) {
    throw new Error(`"${mutant.name}": its place is not in ${mutant.file} exactly once`)
  }
  return before! + mutant.replace + after
}

function planted(mutant: Mutant): Plugin {
  const contents = plant(mutant)
  return {
    name: 'planted-bug',
    setup(pending) {
      const path = join(ROOT, mutant.file)
      pending.onLoad({ filter: /\.ts$/ }, (file) =>
        file.path === path ? { contents, loader: 'ts' } : undefined,
      )
    },
  }
}
