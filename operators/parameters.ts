/** Parameters of a job as it declares them; `--set NAME=VALUE` gives them values. */
import type { ParameterDeclaration } from '../engine/graph/parameters.ts'
import type { Secret } from '../engine/base/secret.ts'
import type { Duration } from '../engine/time/duration.ts'
import { StreamError } from '../engine/base/errors.ts'

declare const parameterType: unique symbol

export interface Parameter<out V> {
  readonly [parameterType]: V
}

export interface ParameterOptions<V> {
  readonly default?: V
  /** A line for `millrace run --help` of the job and for errors. */
  readonly help?: string
}

export type Parameters = Readonly<Record<string, Parameter<unknown>>>
export type ParameterValues<P extends Parameters> = {
  readonly [N in keyof P]: P[N][typeof parameterType]
}

export const parameter = {
  text: (options?: ParameterOptions<string>): Parameter<string> => declare('text', options),
  integer: (options?: ParameterOptions<number>): Parameter<number> => declare('integer', options),
  /** As in 30s, 5m, 1h30m. */
  duration: (options?: ParameterOptions<Duration>): Parameter<Duration> =>
    declare('duration', options),
  /** ISO 8601, or epoch ms; in the job epoch ms. */
  time: (options?: ParameterOptions<number>): Parameter<number> => declare('time', options),
  /** true or false. */
  flag: (options?: ParameterOptions<boolean>): Parameter<boolean> => declare('flag', options),
  /** Texts with commas between them. */
  list: (options?: ParameterOptions<readonly string[]>): Parameter<readonly string[]> =>
    declare('list', options),
  choice<const C extends string>(
    choices: readonly C[],
    options?: ParameterOptions<NoInfer<C>>,
  ): Parameter<C> {
    return declare('choice', options, choices)
  },
  /** Only by reference: env:NAME or file:PATH. */
  secret: (options?: { readonly help?: string }): Parameter<Secret> => declare('secret', options),
} as const

class DeclaredParameter {
  readonly declaration: Omit<ParameterDeclaration, 'name'>

  constructor(declaration: Omit<ParameterDeclaration, 'name'>) {
    this.declaration = declaration
    Object.freeze(this)
  }
}

/** The declarations of a job's parameters. Throws JOB_INVALID for what is none. */
export function parameterDeclarations(
  parameters: Readonly<Record<string, unknown>>,
): readonly ParameterDeclaration[] {
  return Object.entries(parameters).map(([name, declared]) => {
    if (declared instanceof DeclaredParameter) return { name, ...declared.declaration }
    throw new StreamError('JOB_INVALID', `parameter "${name}" is not declared`, {
      hint: 'Declare it with parameter.text(), parameter.integer() or another of them.',
    })
  })
}

function declare<V>(
  type: ParameterDeclaration['type'],
  options: { readonly default?: unknown; readonly help?: string } = {},
  choices?: readonly string[],
): Parameter<V> {
  return new DeclaredParameter({
    type,
    ...(options.default === undefined
      ? {}
      : { default: options.default as NonNullable<ParameterDeclaration['default']> }),
    ...(options.help === undefined ? {} : { help: options.help }),
    ...(choices === undefined ? {} : { choices }),
  }) as unknown as Parameter<V>
}
