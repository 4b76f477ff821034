import { isAbsolute, join } from 'node:path'
import type { Fault, FaultAction } from '../faults/schedule.ts'
import { INPUT, type ChaosBundle } from './bundle.ts'
import { invariants } from './violation.ts'

/** How somebody has the run of a bundle again. */
export interface Reproduction {
  /** For a shell. */
  readonly command: string
  /** A file for vitest; with its first import from `node:test` it runs there too. */
  readonly test: string
}

export function reproduction(bundle: ChaosBundle, folder: string): Reproduction {
  return { command: `npx millrace chaos replay ${shellWord(folder)}`, test: testOf(bundle, folder) }
}

/** As one word of a command line. */
export function shellWord(text: string): string {
  return /^[\w./:=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

function testOf(bundle: ChaosBundle, folder: string): string {
  const { job, parameters, settings, schedule, recordsMax, violations, recorded } = bundle
  const { seed, parallelism, faults, flow } = schedule
  const makers = [...new Set(faults.map(({ action }) => makerOf(action)))]
  const imports = ['chaos', 'expectExactlyOnce', 'runChaos', ...makers].sort()
  const invariant = violations[0]?.invariant
  const title = `${job.name}: ${invariant === undefined ? 'holds' : invariants[invariant]}`
  const options = [
    ...(Object.keys(parameters).length === 0 ? [] : [`parameters: ${JSON.stringify(parameters)},`]),
    ...Object.entries(settings).map(([name, value]) => `${name}: ${JSON.stringify(value)},`),
    `parallelism: ${parallelism},`,
    `seed: ${seed},`,
    ...(flow === undefined ? [] : [`flow: ${JSON.stringify(flow)},`]),
    ...(recordsMax === undefined ? [] : [`recordsMax: ${recordsMax},`]),
    ...(recorded === undefined ? [] : [`recorded: ${recordedCall(folder)},`]),
    'faults: [',
    ...faults.map((fault) => `  ${faultCall(fault)},`),
    '],',
  ]
  return [
    '// To keep it: copy it to your tests, as such as once.test.ts, and mend the import of the job.',
    `import { test } from 'vitest'`,
    ...(recorded === undefined ? [] : [`import { readFileSync } from 'node:fs'`]),
    `import { ${imports.join(', ')} } from 'millrace/testing'`,
    `import job from ${JSON.stringify(specifierOf(job.path ?? 'job.ts'))}`,
    '',
    `test(${JSON.stringify(title)}, async () => {`,
    '  const result = await runChaos(job, {',
    ...options.map((line) => `    ${line}`),
    '  })',
    '  expectExactlyOnce(result)',
    '})',
    '',
  ].join('\n')
}

function recordedCall(folder: string): string {
  return `JSON.parse(readFileSync(${JSON.stringify(join(folder, INPUT))}, 'utf8'))`
}

function specifierOf(path: string): string {
  return isAbsolute(path) || path.startsWith('.') ? path : `./${path}`
}

/** The call of `millrace/testing` that makes this fault. */
export function faultCall({ point, where, nth, life, action }: Fault): string {
  const fields = Object.entries({ ...where, nth, life })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${JSON.stringify(value)}`)
  return `chaos.at('${point}', { ${fields.join(', ')} }, ${actionCall(action)})`
}

/** The function of `millrace/testing` that makes the action. */
const makers = {
  crash: 'crash',
  'power-loss': 'powerLoss',
  throw: 'throws',
  errno: 'errno',
  torn: 'torn',
  delay: 'delay',
  drop: 'drop',
  duplicate: 'duplicate',
  pause: 'pause',
  clock: 'moveClock',
  fence: 'fence',
  rescale: 'rescale',
  ask: 'ask',
} as const satisfies Record<FaultAction['type'], string>

function makerOf({ type }: FaultAction): string {
  return makers[type]
}

function actionCall(action: FaultAction): string {
  return `${makerOf(action)}(${argumentsOf(action)})`
}

function argumentsOf(action: FaultAction): string {
  switch (action.type) {
    case 'errno':
      return action.done === true ? `'${action.errno}', { done: true }` : `'${action.errno}'`
    case 'torn':
      return String(action.bytes)
    case 'delay':
    case 'pause':
    case 'clock':
      return String(action.ms)
    case 'fence':
      return `{ takeOver: ${action.takeOver} }`
    case 'rescale':
      return String(action.parallelism)
    case 'ask':
      return `'${action.request}'`
    default:
      return ''
  }
}
