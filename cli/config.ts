import { resolve } from 'node:path'
import { messageOf, StreamError } from '../engine/base/errors.ts'
import { STATE_CACHE_MB } from '../engine/base/limits.ts'
import { parseDuration } from '../engine/graph/parameters.ts'
import { nearest } from '../engine/graph/suggest.ts'

/**
 * Settings of a run and where each comes from: a flag wins over MILLRACE_*, that over the --config
 * file, that over the job's own, that over the default. What the job says is known only once it is
 * planned, so this file gives what stands above it; `withJob` lays that over the job's.
 */
export type Origin = 'flag' | 'environment' | 'config file' | 'job' | 'default'

export interface Setting {
  readonly value: SettingValue
  readonly origin: Origin
  /** The flag, variable or file that gave it. */
  readonly from: string
}

export type SettingValue = string | number | boolean

/** Kinds: what a value must look like, whichever way it comes. */
const integer = (min: number) => (text: string) => {
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < min) throw unfit(`a whole number from ${min}`)
  if (!Number.isSafeInteger(value)) throw unfit(`a whole number up to ${Number.MAX_SAFE_INTEGER}`)
  return value
}
const duration = (text: string): number => {
  const ms = /^\d+$/.test(text) ? Number(text) : parseDuration(text)
  if (ms === undefined || ms < 0) throw unfit('a duration such as 500ms, 20s or 5m')
  if (!Number.isSafeInteger(ms)) throw unfit('a duration that a clock can count')
  return ms
}
const path = (text: string): string => {
  if (text.trim() === '' || text.includes('\0')) throw unfit('a path')
  return resolve(text)
}
const decimal = (text: string): number => {
  if (!/^\d+(\.\d+)?$/.test(text)) throw unfit('a number')
  return Number(text)
}
const oneOf =
  (...names: readonly string[]) =>
  (text: string): string => {
    if (!names.includes(text)) throw unfit(`one of ${names.join(', ')}`)
    return text
  }

function unfit(wanted: string): StreamError {
  return new StreamError('CONFIG_INVALID', wanted)
}

interface Kind {
  readonly parse: (text: string) => SettingValue
  readonly flag?: string
  readonly env: string
  readonly default?: SettingValue
  /** An empty variable is a mistake, not one that is unset: a path that is empty is this folder. */
  readonly isPath?: true
}

/** Every setting there is. The name is its place in the --config file. */
export const SETTINGS = {
  parallelism: { parse: integer(1), flag: '--parallelism', env: 'MILLRACE_PARALLELISM' },
  workDir: { parse: path, isPath: true, flag: '--work-dir', env: 'MILLRACE_WORK_DIR' },
  from: { parse: path, isPath: true, flag: '--from', env: 'MILLRACE_FROM' },
  grace: { parse: duration, flag: '--grace', env: 'MILLRACE_GRACE', default: 20_000 },
  logLevel: {
    parse: oneOf('error', 'warn', 'info', 'debug'),
    flag: '--log-level',
    env: 'MILLRACE_LOG_LEVEL',
    default: 'info',
  },
  logFormat: {
    parse: oneOf('text', 'json'),
    flag: '--log-format',
    env: 'MILLRACE_LOG_FORMAT',
    default: 'text',
  },
  'state.cacheMb': {
    parse: integer(1),
    env: 'MILLRACE_STATE_CACHE_MB',
    default: STATE_CACHE_MB,
  },
  'checkpointing.everyMs': { parse: duration, env: 'MILLRACE_CHECKPOINTING_EVERY_MS' },
  'checkpointing.timeoutMs': { parse: duration, env: 'MILLRACE_CHECKPOINTING_TIMEOUT_MS' },
  'checkpointing.minPauseMs': { parse: duration, env: 'MILLRACE_CHECKPOINTING_MIN_PAUSE_MS' },
  'checkpointing.retain': { parse: integer(1), env: 'MILLRACE_CHECKPOINTING_RETAIN' },
  'checkpointing.tolerableFailures': {
    parse: integer(0),
    env: 'MILLRACE_CHECKPOINTING_TOLERABLE_FAILURES',
  },
  'restart.strategy': {
    parse: oneOf('none', 'fixed-delay', 'exponential'),
    env: 'MILLRACE_RESTART_STRATEGY',
  },
  'restart.attempts': { parse: integer(0), env: 'MILLRACE_RESTART_ATTEMPTS' },
  'restart.delayMs': { parse: duration, env: 'MILLRACE_RESTART_DELAY_MS' },
  'restart.initialMs': { parse: duration, env: 'MILLRACE_RESTART_INITIAL_MS' },
  'restart.maxMs': { parse: duration, env: 'MILLRACE_RESTART_MAX_MS' },
  'restart.factor': { parse: decimal, env: 'MILLRACE_RESTART_FACTOR' },
  'restart.resetAfterMs': { parse: duration, env: 'MILLRACE_RESTART_RESET_AFTER_MS' },
} as const satisfies Record<string, Kind>

export type SettingName = keyof typeof SETTINGS
const NAMES = Object.keys(SETTINGS) as SettingName[]

export interface Config {
  readonly settings: ReadonlyMap<SettingName, Setting>
  /** The job's parameters, raw. */
  readonly parameters: ReadonlyMap<string, Setting & { readonly value: string }>
}

export interface ConfigSources {
  /** Flags as given, by setting name. */
  readonly flags: Readonly<Partial<Record<SettingName, string>>>
  /** `NAME=VALUE` of each --set. */
  readonly set: readonly string[]
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly file?: { readonly path: string; readonly text: string }
}

const PREFIX = 'MILLRACE_'
const SET_PREFIX = 'MILLRACE_SET_'

/** Merges what was given. Throws CONFIG_INVALID or USAGE naming the flag, variable or key. */
export function mergeConfig(sources: ConfigSources): Config {
  const file = sources.file === undefined ? emptyFile() : readConfigFile(sources.file)
  const settings = new Map<SettingName, Setting>()
  for (const name of NAMES) {
    const kind: Kind = SETTINGS[name]
    const flag = sources.flags[name]
    const variable = sources.environment[kind.env]
    const written = file.settings.get(name)
    if (flag !== undefined) {
      settings.set(name, setting(kind, flag, 'flag', kind.flag ?? name))
    } else if (variable !== undefined && (variable !== '' || kind.isPath === true)) {
      settings.set(name, setting(kind, variable, 'environment', kind.env))
    } else if (written !== undefined) {
      settings.set(name, setting(kind, written, 'config file', `${name} in ${file.path}`))
    } else if (kind.default !== undefined) {
      settings.set(name, { value: kind.default, origin: 'default', from: '' })
    }
  }
  const parameters = mergeParameters(sources, file)
  refuseUnknownVariables(sources.environment, parameters)
  return { settings, parameters }
}

/** Variables that are read elsewhere. */
const OTHER_VARIABLES = [
  'MILLRACE_CONFIG',
  'MILLRACE_CHAOS',
  'MILLRACE_CHAOS_CRASH',
  'MILLRACE_CHAOS_DIR',
  'MILLRACE_CHAOS_FORCE',
  'MILLRACE_CHAOS_SEARCH',
]

/** What the tests of Millrace itself are told; they start the command line. */
const TEST_PREFIX = 'MILLRACE_TEST_'

/** Kubernetes sets these in every container beside a service that is called "millrace". */
const OF_A_SERVICE = /^MILLRACE_(SERVICE_(HOST|PORT)(_.+)?|PORT(_\d+_(TCP|UDP|SCTP)(_.+)?)?)$/

/** A slip in the name of a variable is told, like one in the --config file. */
function refuseUnknownVariables(
  environment: ConfigSources['environment'],
  parameters: Config['parameters'],
): void {
  const known = [...NAMES.map((name) => SETTINGS[name].env), ...OTHER_VARIABLES]
  // A secret may be given as env:MILLRACE_ANYTHING.
  const references = new Set([...parameters.values()].map(({ value }) => value))
  for (const [variable, value] of Object.entries(environment)) {
    const upper = variable.toUpperCase()
    if (!upper.startsWith(PREFIX) || value === undefined) continue
    if (variable.startsWith(SET_PREFIX) && variable.length > SET_PREFIX.length) continue
    if (known.includes(variable) || references.has(`env:${variable}`)) continue
    if (OF_A_SERVICE.test(upper) || variable.startsWith(TEST_PREFIX)) continue
    // Without what all of them begin with, or any two would be near each other.
    const near =
      upper.startsWith(SET_PREFIX) && upper !== SET_PREFIX
        ? `${SET_PREFIX.slice(PREFIX.length)}${variable.slice(SET_PREFIX.length)}`
        : nearest(
            upper.slice(PREFIX.length),
            known.map((name) => name.slice(PREFIX.length)),
          )
    throw invalid(
      `the environment has ${variable}, which is no setting`,
      near === undefined
        ? `Unset it. Known are ${known.slice(0, NAMES.length + 1).join(', ')} and MILLRACE_SET_<parameter>.`
        : `Did you mean ${PREFIX}${near}?`,
    )
  }
}

function setting(kind: Kind, text: string, origin: Origin, from: string): Setting {
  try {
    return { value: kind.parse(text), origin, from }
  } catch (error) {
    if (!(error instanceof StreamError)) throw error
    const wanted = error.message
    throw new StreamError(
      origin === 'flag' ? 'USAGE' : 'CONFIG_INVALID',
      `${from} is "${text}", which is not ${wanted}`,
      { hint: text === '' ? `Give ${wanted}, or leave it out.` : `Give ${wanted}.` },
    )
  }
}

function mergeParameters(sources: ConfigSources, file: ConfigFile): Config['parameters'] {
  const merged = new Map<string, Setting & { readonly value: string }>()
  for (const [name, value] of file.parameters) {
    merged.set(name, { value, origin: 'config file', from: `set.${name} in ${file.path}` })
  }
  for (const [variable, value] of Object.entries(sources.environment)) {
    if (!variable.startsWith(SET_PREFIX) || value === undefined) continue
    merged.set(variable.slice(SET_PREFIX.length), { value, origin: 'environment', from: variable })
  }
  for (const pair of sources.set) {
    const [name, value] = splitPair(pair, '--set', 'NAME=VALUE')
    merged.set(name, { value, origin: 'flag', from: '--set' })
  }
  return merged
}

/** `a=b` → ['a', 'b']; only the first `=` counts. */
export function splitPair(pair: string, flag: string, form: string): readonly [string, string] {
  const at = pair.indexOf('=')
  if (at > 0) return [pair.slice(0, at), pair.slice(at + 1)]
  throw new StreamError('USAGE', `${flag} has "${pair}", which is not ${form}`, {
    hint: `Write ${flag} ${form}.`,
  })
}

interface ConfigFile {
  readonly path: string
  readonly settings: ReadonlyMap<SettingName, string>
  readonly parameters: ReadonlyMap<string, string>
}

const emptyFile = (): ConfigFile => ({ path: '', settings: new Map(), parameters: new Map() })

function readConfigFile(file: { readonly path: string; readonly text: string }): ConfigFile {
  const settings = new Map<SettingName, string>()
  const parameters = new Map<string, string>()
  for (const [name, value] of Object.entries(parseObject(file))) {
    if (name === 'set') {
      for (const [parameter, given] of entriesOf(value, name, file.path)) {
        parameters.set(parameter, asText(given, `set.${parameter}`, file.path))
      }
    } else if (isGroup(name)) {
      for (const [inner, given] of entriesOf(value, name, file.path)) {
        const full = knownName(`${name}.${inner}`, file.path)
        settings.set(full, asText(given, full, file.path))
      }
    } else {
      const full = knownName(name, file.path)
      settings.set(full, asText(value, full, file.path))
    }
  }
  return { path: file.path, settings, parameters }
}

const isGroup = (name: string): boolean => NAMES.some((known) => known.startsWith(`${name}.`))

function parseObject(file: { readonly path: string; readonly text: string }): object {
  let data: unknown
  try {
    data = JSON.parse(file.text)
  } catch (error) {
    const reason = messageOf(error)
    throw invalid(`${file.path} is not JSON: ${reason}`, 'The file holds one JSON object.')
  }
  if (typeof data !== 'object' || data === null || Array.isArray(data)) {
    throw invalid(`${file.path} holds no object`, 'The file holds one JSON object.')
  }
  return data
}

function entriesOf(value: unknown, name: string, at: string): readonly [string, unknown][] {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return Object.entries(value)
  }
  throw invalid(`"${name}" in ${at} is no object`, `Write "${name}": { … }.`)
}

function knownName(name: string, at: string): SettingName {
  const known = NAMES.find((candidate) => candidate === name)
  if (known !== undefined) return known
  const near = nearest(name, [...NAMES, 'set'])
  const hint =
    near === undefined ? `Known are ${NAMES.join(', ')} and set.` : `Did you mean "${near}"?`
  throw invalid(`${at} has "${name}", which is no setting`, hint)
}

function asText(value: unknown, name: string, at: string): string {
  if (Array.isArray(value)) return value.map((item) => asText(item, name, at)).join(',')
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  throw invalid(
    `"${name}" in ${at} is ${value === null ? 'null' : 'no plain value'}`,
    'Give text, a number, true or false.',
  )
}

function invalid(message: string, hint: string): StreamError {
  return new StreamError('CONFIG_INVALID', message, { hint })
}

/** Lays what was given over what the job and the defaults say, for showing. */
export function withJob(
  config: Config,
  job: ReadonlyMap<SettingName, { readonly value: SettingValue; readonly isDefault: boolean }>,
): ReadonlyMap<SettingName, Setting> {
  const all = new Map<SettingName, Setting>()
  for (const name of NAMES) {
    const given = config.settings.get(name)
    const own = job.get(name)
    if (given !== undefined) all.set(name, given)
    else if (own !== undefined) {
      all.set(name, { value: own.value, origin: own.isDefault ? 'default' : 'job', from: '' })
    }
  }
  return all
}
