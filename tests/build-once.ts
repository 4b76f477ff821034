import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/**
 * Builds `dist` before the suites that start processes: Node 20 runs no TypeScript, so the engine
 * process and its workers are the built ones. `npm test` has built already and says so.
 */
export default function buildOnce(): void {
  if (process.env['MILLRACE_TEST_BUILT'] === 'yes') return
  process.env['MILLRACE_TEST_BUILT'] = 'yes'
  const root = fileURLToPath(new URL('..', import.meta.url))
  const tsc = fileURLToPath(new URL('../node_modules/typescript/bin/tsc', import.meta.url))
  const build = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], {
    cwd: root,
    encoding: 'utf8',
  })
  // Types are a check of their own: what was emitted is tested even where they do not hold yet.
  if (build.status !== 0) process.stderr.write(build.stdout.split('\n').slice(0, 20).join('\n'))
  if (build.error !== undefined) throw build.error
}
