import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { LogLevel } from '../engine/base/logger.ts'
import type { FitOptions } from '../engine/checkpoint/fit-options.ts'
import type { CheckpointSettings, RestartSettings } from '../engine/graph/stream-graph.ts'
import type { RunOptions } from '../engine/job/protocol.ts'
import type { Config, SettingName, SettingValue } from './config.ts'
import { StreamError } from '../engine/base/errors.ts'
import { readNamedFile, systemFiles } from '../engine/base/files.ts'
import { systemRandom } from '../engine/base/random.ts'
import { DEFAULT_SETTINGS } from '../engine/graph/stream-graph.ts'
import { mergeConfig, splitPair } from './config.ts'

/** The flags that `run`, `dev`, `check` and `explain` share, as commander hands them over. */
export interface RunFlags {
  readonly set?: readonly string[]
  readonly config?: string | boolean
  readonly parallelism?: string
  readonly workDir?: string
  readonly from?: string
  readonly fresh?: boolean
  readonly takeOver?: boolean
  readonly fork?: boolean
  readonly dropState?: readonly string[]
  readonly renameUid?: readonly string[]
  readonly renameState?: readonly string[]
  readonly keepState?: readonly string[]
  readonly jobWas?: string
  readonly grace?: string
  readonly logLevel?: string
  readonly logFormat?: string
  readonly verbose?: boolean
  readonly json?: boolean
}

/** Reads the --config file and merges all that was given. Throws CONFIG_INVALID and USAGE. */
export async function configOf(flags: RunFlags): Promise<Config> {
  const path = typeof flags.config === 'string' ? flags.config : process.env['MILLRACE_CONFIG']
  const level = flags.logLevel ?? (flags.verbose === true ? 'debug' : undefined)
  return mergeConfig({
    flags: {
      ...(flags.parallelism === undefined ? {} : { parallelism: flags.parallelism }),
      ...(flags.workDir === undefined ? {} : { workDir: flags.workDir }),
      ...(flags.from === undefined ? {} : { from: flags.from }),
      ...(flags.grace === undefined ? {} : { grace: flags.grace }),
      ...(level === undefined ? {} : { logLevel: level }),
      ...(flags.logFormat === undefined ? {} : { logFormat: flags.logFormat }),
    },
    set: flags.set ?? [],
    environment: process.env,
    ...(path === undefined ? {} : { file: { path, text: await readText(path) } }),
  })
}

async function readText(path: string): Promise<string> {
  if (path.trim() === '') {
    throw new StreamError('CONFIG_INVALID', 'MILLRACE_CONFIG is empty', {
      hint: 'Name a JSON file, or unset it.',
    })
  }
  try {
    return new TextDecoder().decode(await readNamedFile(systemFiles, resolve(path)))
  } catch (error) {
    throw new StreamError('CONFIG_INVALID', `the config file "${path}" cannot be read`, {
      hint: 'Name a JSON file; the path is relative to the current directory.',
      cause: error,
    })
  }
}

/** What the engine process is told. `dev` is set by its command. */
export function runOptions(jobPath: string, flags: RunFlags, config: Config): RunOptions {
  const valueOf = (name: SettingName): SettingValue | undefined => config.settings.get(name)?.value
  const parallelism = valueOf('parallelism') as number | undefined
  const workDir = valueOf('workDir') as string | undefined
  const from = valueOf('from') as string | undefined
  const checkpointing = checkpointingOf(valueOf)
  const restart = restartOf(valueOf)
  if (flags.fresh === true && from !== undefined) {
    throw new StreamError('USAGE', '--fresh and --from were both given', {
      hint: 'Start anew, or from the savepoint: give one of them.',
    })
  }
  return {
    jobPath: resolve(jobPath),
    bundleDir: join(tmpdir(), `millrace-${systemRandom.hex(8)}`),
    set: Object.fromEntries([...config.parameters].map(([name, given]) => [name, given.value])),
    ...(parallelism === undefined ? {} : { parallelism }),
    ...(workDir === undefined ? {} : { workDir }),
    workRoot: resolve('.millrace'),
    ...(from === undefined ? {} : { from }),
    fresh: flags.fresh ?? false,
    takeOver: flags.takeOver ?? false,
    fork: flags.fork ?? false,
    ...fitOptions(flags),
    ...(flags.jobWas === undefined ? {} : { jobWas: flags.jobWas }),
    graceMs: valueOf('grace') as number,
    stateCacheMb: valueOf('state.cacheMb') as number,
    ...(checkpointing === undefined ? {} : { checkpointing }),
    ...(restart === undefined ? {} : { restart }),
    attempt: 0,
    dev: false,
    logs: valueOf('logFormat') === 'json' ? 'json' : 'parent',
    logLevel: valueOf('logLevel') as LogLevel,
    progressMs: 1_000,
  }
}

/** What becomes of the state of a changed job. */
function fitOptions(flags: RunFlags): FitOptions {
  const pairs = (given: readonly string[] | undefined, flag: string, form: string) =>
    Object.fromEntries(
      (given ?? []).map((pair) => {
        const [old, to] = splitPair(pair, flag, form)
        if (to !== '' && old.includes(':') === form.includes(':')) return [old, to]
        throw new StreamError('USAGE', `${flag} has "${pair}", which is not ${form}`, {
          hint: `Write ${flag} ${form}.`,
        })
      }),
    )
  return {
    dropState: flags.dropState ?? [],
    renameUid: pairs(flags.renameUid, '--rename-uid', 'OLD=NEW'),
    renameState: pairs(flags.renameState, '--rename-state', 'UID:OLD=NEW'),
    keepState: flags.keepState ?? [],
  }
}

type ValueOf = (name: SettingName) => SettingValue | undefined

function checkpointingOf(valueOf: ValueOf): Partial<CheckpointSettings> | undefined {
  const names = ['everyMs', 'timeoutMs', 'minPauseMs', 'retain', 'tolerableFailures'] as const
  const given = names.flatMap((name) => {
    const value = valueOf(`checkpointing.${name}`)
    return value === undefined ? [] : [[name, value] as const]
  })
  return given.length === 0 ? undefined : Object.fromEntries(given)
}

const FIXED_DELAY = { attempts: 3, delayMs: 1_000 } as const

/** A strategy given from outside replaces the job's; what it leaves open is the default. */
function restartOf(valueOf: ValueOf): RestartSettings | undefined {
  const number = (
    name: 'attempts' | 'delayMs' | 'initialMs' | 'maxMs' | 'factor' | 'resetAfterMs',
  ) => valueOf(`restart.${name}`) as number | undefined
  const strategy = valueOf('restart.strategy')
  switch (strategy) {
    case 'none':
      return { strategy: 'none' }
    case 'fixed-delay':
      return {
        strategy: 'fixed-delay',
        attempts: number('attempts') ?? FIXED_DELAY.attempts,
        delayMs: number('delayMs') ?? FIXED_DELAY.delayMs,
      }
    case 'exponential': {
      const usual = DEFAULT_SETTINGS.restart as Extract<
        RestartSettings,
        { strategy: 'exponential' }
      >
      return {
        strategy: 'exponential',
        initialMs: number('initialMs') ?? usual.initialMs,
        maxMs: number('maxMs') ?? usual.maxMs,
        factor: number('factor') ?? usual.factor,
        resetAfterMs: number('resetAfterMs') ?? usual.resetAfterMs,
        attempts: number('attempts') ?? usual.attempts,
      }
    }
    default: {
      const names = ['attempts', 'delayMs', 'initialMs', 'maxMs', 'factor', 'resetAfterMs'] as const
      const stray = names.find((name) => number(name) !== undefined)
      if (stray === undefined) return undefined
      throw new StreamError(
        'CONFIG_INVALID',
        `restart.${stray} is given, but no restart.strategy`,
        {
          hint: 'Give restart.strategy too: none, fixed-delay or exponential.',
        },
      )
    }
  }
}
