import type { Json } from '../base/json.ts'
import type { Secret } from '../base/secret.ts'
import { StreamError } from '../base/errors.ts'
import { secretOf } from '../base/secret.ts'
import { nearest } from './suggest.ts'

/** A parameter of a job, as data. */
export interface ParameterDeclaration {
  readonly name: string
  readonly type: 'text' | 'integer' | 'duration' | 'time' | 'flag' | 'list' | 'choice' | 'secret'
  readonly default?: string | number | boolean | readonly string[]
  readonly help?: string
  readonly choices?: readonly string[]
}

/** A parsed parameter as it crosses a thread: a secret goes as its text, marked. */
export type ParameterValue = Json | { readonly secret: string }

/** Where a secret stands. */
export type SecretReference =
  { readonly type: 'env'; readonly name: string } | { readonly type: 'file'; readonly path: string }

export type ReadSecret = (reference: SecretReference) => string | Promise<string>

/**
 * The values of a job's parameters, from the texts of `--set NAME=VALUE` and the defaults. Throws
 * PARAMETER_UNKNOWN, PARAMETER_MISSING, PARAMETER_INVALID, SECRET_LITERAL, SECRET_UNREADABLE.
 */
export async function parseParameters(
  job: string,
  declarations: readonly ParameterDeclaration[],
  texts: Readonly<Record<string, string>>,
  readSecret: ReadSecret,
): Promise<Readonly<Record<string, ParameterValue>>> {
  const names = declarations.map((declaration) => declaration.name)
  for (const name of Object.keys(texts)) {
    if (!names.includes(name)) throw unknownParameter(job, name, names)
  }
  const values: Record<string, ParameterValue> = {}
  for (const declaration of declarations) {
    const text = Object.hasOwn(texts, declaration.name) ? texts[declaration.name] : undefined
    if (text === undefined) values[declaration.name] = defaultOf(job, declaration)
    else if (declaration.type === 'secret') {
      values[declaration.name] = await readSecretText(declaration.name, text, readSecret)
    } else values[declaration.name] = parseText(declaration, text)
  }
  return values
}

/** The values that a job's function gets: secrets are objects that show themselves to nobody. */
export function reviveParameters(
  values: Readonly<Record<string, ParameterValue>>,
): Readonly<Record<string, unknown>> {
  const revived: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(values)) {
    revived[name] = isSecret(value) ? (secretOf(value.secret) satisfies Secret) : value
  }
  return revived
}

/** The values without secrets: what may stand in a checkpoint. */
export function storableParameters(
  values: Readonly<Record<string, ParameterValue>>,
): Readonly<Record<string, Json>> {
  const storable: Record<string, Json> = {}
  for (const [name, value] of Object.entries(values)) if (!isSecret(value)) storable[name] = value
  return storable
}

function isSecret(value: ParameterValue): value is { readonly secret: string } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function defaultOf(job: string, declaration: ParameterDeclaration): ParameterValue {
  if (declaration.default !== undefined) return declaration.default
  const { name, type, help } = declaration
  const example = type === 'secret' ? `${name}=env:NAME, or ${name}=file:PATH` : `${name}=…`
  throw new StreamError('PARAMETER_MISSING', `job "${job}" needs "${name}"`, {
    hint: `Pass --set ${example}.${help === undefined ? '' : ` It is: ${help}`}`,
  })
}

function unknownParameter(job: string, name: string, names: readonly string[]): StreamError {
  const near = nearest(name, names)
  const known =
    names.length === 0 ? 'It has no parameters.' : `Its parameters are: ${names.join(', ')}.`
  return new StreamError('PARAMETER_UNKNOWN', `job "${job}" has no parameter "${name}"`, {
    hint: near === undefined ? known : `Did you mean "${near}"? ${known}`,
  })
}

function parseText(declaration: ParameterDeclaration, text: string): ParameterValue {
  switch (declaration.type) {
    case 'text':
    case 'secret':
      return text
    case 'integer':
      return parseInteger(declaration, text)
    case 'duration':
      return (
        parseDuration(text) ?? invalid(declaration, text, 'a duration such as 30s, 5m or 1h30m')
      )
    case 'time':
      return parseTime(text) ?? invalid(declaration, text, 'a time such as 2026-11-22T10:00:00Z')
    case 'flag':
      if (text === 'true' || text === 'false') return text === 'true'
      return invalid(declaration, text, 'true or false')
    case 'list':
      return text === '' ? [] : text.split(',').map((item) => item.trim())
    case 'choice':
      if (declaration.choices!.includes(text)) return text
      return invalid(declaration, text, `one of: ${declaration.choices!.join(', ')}`)
    default:
      return declaration.type satisfies never
  }
}

function parseInteger(declaration: ParameterDeclaration, text: string): number {
  const digits = text.replaceAll('_', '')
  const value = Number(digits)
  if (/^[+-]?\d+$/.test(digits) && Number.isSafeInteger(value)) return value
  return invalid(declaration, text, 'a whole number')
}

const UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/** Ms of a text such as 250ms, 30s, 1.5h or 1h30m; undefined when it is none. */
export function parseDuration(text: string): number | undefined {
  if (!/^-?(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/.test(text)) return undefined
  let ms = 0
  for (const [, count, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    ms += Number(count) * UNITS_MS[unit!]!
  }
  return Math.round(text.startsWith('-') ? -ms : ms)
}

/** Epoch ms of a text: ISO 8601 with its offset (or a day, which is in UTC), or epoch ms. */
function parseTime(text: string): number | undefined {
  if (/^-?\d+$/.test(text)) return Number(text)
  if (
    !/^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2}))?$/.test(text)
  ) {
    return undefined
  }
  const ms = Date.parse(text)
  return Number.isNaN(ms) ? undefined : ms
}

function invalid(declaration: ParameterDeclaration, text: string, wanted: string): never {
  throw new StreamError(
    'PARAMETER_INVALID',
    `parameter "${declaration.name}" is ${declaration.type}, the value is "${text}"`,
    { hint: `Give ${wanted}.` },
  )
}

async function readSecretText(
  name: string,
  text: string,
  readSecret: ReadSecret,
): Promise<ParameterValue> {
  const reference = secretReference(text)
  if (reference === undefined) {
    throw new StreamError('SECRET_LITERAL', `secret "${name}" was given as a literal`, {
      hint: `Pass --set ${name}=env:NAME or ${name}=file:PATH: a literal shows in process lists.`,
    })
  }
  try {
    return { secret: await readSecret(reference) }
  } catch (error) {
    if (error instanceof StreamError) throw error
    throw new StreamError('SECRET_UNREADABLE', `secret "${name}" cannot be read from ${text}`, {
      hint: 'Set the environment variable, or give the path of a file that can be read.',
      cause: error,
    })
  }
}

function secretReference(text: string): SecretReference | undefined {
  if (text.startsWith('env:') && text.length > 4) return { type: 'env', name: text.slice(4) }
  if (text.startsWith('file:') && text.length > 5) return { type: 'file', path: text.slice(5) }
  return undefined
}
