import { inspect } from 'node:util'
import type { ChaosOptions, ChaosResult } from './chaos-result.ts'
import { faultCall } from '../chaos/reproduction.ts'

/** More text than this is not repeated in a message: it stands in the test already. */
const FILES_CHARACTERS_MAX = 2_000

/**
 * The call that gives a run again, with everything that was given; then, a line each, what is meant
 * by the names in it that it does not spell out. A secret is never shown.
 */
export function againLines({ schedule, options }: ChaosResult): readonly string[] {
  const { seed, parallelism, faults } = schedule
  const { parameters, files, orders, recorded, ...others } = options
  const notes: string[] = []
  const fields = [`parallelism: ${parallelism}`, `seed: ${seed}`]
  if (parameters !== undefined) {
    const shown = Object.entries(parameters).map(([name, value]) => {
      const isSecret = typeof value === 'object' && value !== null && !Array.isArray(value)
      if (isSecret) notes.push(`secret "${name}": put its text in`)
      return [name, isSecret ? { secret: '' } : value]
    })
    fields.push(`parameters: ${literal(Object.fromEntries(shown))}`)
  }
  for (const [name, value] of Object.entries(others)) {
    if (WRITTEN_APART.has(name)) continue
    fields.push(`${name}: ${literal(value)}`)
  }
  if (files !== undefined) {
    const text = filesText(files)
    const isShort = text.length <= FILES_CHARACTERS_MAX
    fields.push(isShort ? `files: ${text}` : 'files')
    if (!isShort) notes.push(`files: as the test gives them, ${Object.keys(files).join(', ')}`)
  }
  if (orders !== undefined) {
    fields.push('orders')
    notes.push(`orders: as the test gives them, for ${Object.keys(orders).join(', ')}`)
  }
  if (recorded !== undefined) {
    fields.push('recorded')
    notes.push('recorded: as the test gives it')
  }
  fields.push(`faults: [${faults.map(faultCall).join(', ')}]`)
  return [`again: runChaos(job, { ${fields.join(', ')} })`, ...notes.map((note) => `  ${note}`)]
}

const WRITTEN_APART: ReadonlySet<string> = new Set<keyof ChaosOptions>([
  'parallelism',
  'seed',
  'faults',
])

function filesText(files: NonNullable<ChaosOptions['files']>): string {
  const fields = Object.entries(files).map(([path, content]) => {
    const text =
      typeof content === 'string'
        ? JSON.stringify(content)
        : `Buffer.from('${Buffer.from(content).toString('base64')}', 'base64')`
    return `${JSON.stringify(path)}: ${text}`
  })
  return `{ ${fields.join(', ')} }`
}

/** Plain data as a script has it, in one line. */
function literal(value: unknown): string {
  const whole = { depth: null, maxArrayLength: null, maxStringLength: null }
  return inspect(value, { ...whole, breakLength: Infinity, compact: true })
}
