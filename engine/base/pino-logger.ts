import { pino } from 'pino'
import type { Logger, LogFields, LogLevel } from './logger.ts'

/**
 * The door for pino: log lines as JSON, one an object, for machines that collect them. Without
 * `write` they go to standard error, synchronously, so that a dying process has said its last.
 */
export function pinoLogger(
  level: LogLevel,
  options: {
    /** Fields of every line, asked for each: what a line says itself stands above them. */
    readonly fields?: () => LogFields
    readonly write?: (line: string) => void
  } = {},
): Logger {
  const write = options.write
  const destination =
    write === undefined ? pino.destination({ fd: 2, sync: true }) : { write: write }
  const logger = pino(
    {
      level,
      base: null,
      mixin: () => ({ ...options.fields?.() }),
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  )
  return {
    error: (fields, message) => logger.error(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    info: (fields, message) => logger.info(fields, message),
    debug: (fields, message) => logger.debug(fields, message),
  }
}

const RANKS = { error: 0, warn: 1, info: 2, debug: 3 } as const satisfies Record<LogLevel, number>

/** Hands every log of at least `level` to `write`, as data: for the parent process, for tests. */
export function callbackLogger(
  level: LogLevel,
  write: (level: LogLevel, fields: LogFields, message: string) => void,
): Logger {
  const at =
    (own: LogLevel) =>
    (fields: LogFields, message: string): void => {
      if (RANKS[own] <= RANKS[level]) write(own, fields, message)
    }
  return { error: at('error'), warn: at('warn'), info: at('info'), debug: at('debug') }
}
