import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

/**
 * Four suites: `unit` sits beside the code and takes seconds; `chaos` searches, in one thread, with
 * no processes and no real time; `integration` starts processes and works on the built package;
 * `kafka` needs a broker, which its set-up starts. No test is tried again: one that fails now and
 * then is a bug.
 */
const root = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

const alias = {
  'millrace/connectors': root('./connectors/index.ts'),
  'millrace/testing': root('./engine/testing/index.ts'),
  millrace: root('./operators/index.ts'),
}

const exclude = ['**/node_modules/**', '**/dist/**', '**/out/**', '**/.millrace/**']
const kafkaTests = ['connectors/kafka/*.kafka.test.ts', 'tests/**/*.kafka.test.ts']
/** What needs processes, threads or the built package is not here. */
const searches = ['tests/{chaos,model,mutants,simulation}/**/*.test.ts']
const kafkaSetup = root('./tests/kafka/global-setup.ts')

export default defineConfig({
  test: {
    retry: 0,
    maxWorkers: 2,
    projects: [
      {
        resolve: { alias },
        test: {
          name: 'unit',
          include: ['{engine,operators,connectors,cli}/**/*.test.ts'],
          exclude: [...exclude, ...kafkaTests],
          // Each takes milliseconds; a busy machine is no reason to fail.
          testTimeout: 30_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        resolve: { alias },
        test: {
          name: 'chaos',
          include: searches,
          exclude,
          testTimeout: 120_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        resolve: { alias },
        test: {
          name: 'integration',
          include: ['tests/**/*.test.ts'],
          exclude: [...exclude, ...kafkaTests, ...searches],
          globalSetup: [root('./tests/build-once.ts')],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 2 },
        },
      },
      ...(existsSync(kafkaSetup)
        ? [
            {
              resolve: { alias },
              test: {
                name: 'kafka',
                include: kafkaTests,
                exclude,
                globalSetup: [root('./tests/build-once.ts'), kafkaSetup],
                fileParallelism: false,
                testTimeout: 120_000,
                hookTimeout: 300_000,
                sequence: { groupOrder: 3 },
              },
            },
          ]
        : []),
    ],
  },
})
