/**
 * The one error class of Millrace and the one table of its codes.
 *
 * A code fixes who is to blame (`domain`) and what happens next (`then`):
 * `fail` ends the job, `restart` lets the restart strategy decide, `retry` is tried again in place.
 * `exit` is the exit code of `millrace run` when the error ends the process.
 */
export interface Consequence {
  readonly domain: 'user' | 'external' | 'internal'
  readonly then: 'fail' | 'restart' | 'retry'
  readonly exit: number
}

const user = { domain: 'user', then: 'fail', exit: 2 } as const
const state = { domain: 'user', then: 'fail', exit: 3 } as const
const record = { domain: 'user', then: 'restart', exit: 1 } as const
const external = { domain: 'external', then: 'restart', exit: 1 } as const
const internal = { domain: 'internal', then: 'restart', exit: 70 } as const

export const ERRORS = {
  // The job as written: found before a thread starts.
  UID_MISSING: user,
  UID_DUPLICATE: user,
  UID_INVALID: user,
  FIELD_UNKNOWN: user,
  FIELD_TYPE: user,
  FIELD_CLASH: user,
  GRAPH_NO_SINK: user,
  GRAPH_NO_SOURCE: user,
  GRAPH_CYCLE: user,
  EVENT_TIME_MISSING: user,
  PARALLELISM_INVALID: user,
  OPTION_INVALID: user,
  PARAMETER_MISSING: user,
  PARAMETER_INVALID: user,
  PARAMETER_UNKNOWN: user,
  SECRET_LITERAL: user,
  SECRET_UNREADABLE: user,
  JOB_INVALID: user,
  JOB_NOT_FOUND: user,
  JOB_BUNDLE_FAILED: user,
  CONFIG_INVALID: user,
  PLAN_NOT_DETERMINISTIC: user,
  USAGE: user,
  // A record or a user's function: found while running.
  STEP_ASYNC: { ...record, then: 'fail', exit: 2 },
  USER_FUNCTION_FAILED: record,
  VALUE_UNFIT: record,
  KEY_INVALID: record,
  TIMERS_ENDLESS: { domain: 'user', then: 'fail', exit: 1 },
  RECORD_MALFORMED: record,
  RECORD_POISON: { domain: 'user', then: 'fail', exit: 5 },
  // State and checkpoints.
  STATE_UID_MISSING: state,
  STATE_NOT_DECLARED: state,
  STATE_KEY_CHANGED: state,
  STATE_SCHEMA_CHANGED: state,
  STATE_MAX_PARALLELISM: state,
  CHECKPOINT_DAMAGED: state,
  CHECKPOINT_NOT_FOUND: state,
  SAVEPOINT_DRAINED: state,
  SINK_AHEAD: state,
  SINK_FOREIGN: state,
  SINK_MOVED: state,
  STAGED_FILE_MISSING: state,
  WORK_DIR_BUSY: { domain: 'user', then: 'fail', exit: 4 },
  WORK_DIR_FOREIGN: state,
  JOB_NOT_RUNNING: { domain: 'user', then: 'fail', exit: 1 },
  CHECKPOINT_EXPIRED: { domain: 'external', then: 'retry', exit: 1 },
  CHECKPOINT_FAILED: external,
  CHECKPOINT_IN_DOUBT: external,
  BROADCAST_DIVERGED: { domain: 'user', then: 'fail', exit: 1 },
  // The outside world.
  FILE_IO: external,
  FILE_REFUSED: { ...external, then: 'fail' },
  OUTPUT_CLOSED: { ...external, then: 'fail' },
  SINK_COMMIT_FAILED: external,
  SINK_TARGET_CONFLICT: { ...external, then: 'fail' },
  SOURCE_FAILED: external,
  SPLIT_CHANGED: { ...state, domain: 'external' },
  OFFSET_OUT_OF_RANGE: { ...state, domain: 'external' },
  KAFKA_UNREACHABLE: external,
  KAFKA_FAILED: external,
  TOPIC_MISSING: { ...external, then: 'fail' },
  TOPIC_RECREATED: { ...state, domain: 'external' },
  STATE_STORE_FAILED: external,
  FAULT_INJECTED: external,
  // A job that is broken on purpose.
  CHAOS_NOT_DETERMINISTIC: user,
  CHAOS_DEPENDS_ON_ARRIVAL: user,
  CHAOS_UNFIT: user,
  CHAOS_SCHEDULE_INVALID: user,
  // Ours.
  WORKER_DIED: { ...internal, exit: 1 },
  CANCELED: { domain: 'internal', then: 'fail', exit: 130 },
  ASSERTION_FAILED: internal,
  BUG: internal,
} as const satisfies Record<string, Consequence>

export type ErrorCode = keyof typeof ERRORS

/** Where in the job and in its input an error happened. Every layer adds what it knows. */
export interface ErrorPlace {
  readonly operator?: string
  readonly subtask?: number
  /** The split the record came from, as the source names it, e.g. `orders-3` or a file's path. */
  readonly split?: string
  /** The split's number in this job, from a step that does not know its name. */
  readonly splitIndex?: number
  /** The record's offset in its split; a range when only its batch is known. */
  readonly offset?: number | readonly [number, number]
  /** What `offset` counts, where it is not an offset of a log. */
  readonly unit?: 'line' | 'byte'
  /** The start of the record's text. */
  readonly record?: string
  /** The user's own file, line and column, as `job.ts:8:21`. */
  readonly at?: string
}

/** An error as plain data, for crossing threads and processes. */
export interface ErrorData {
  readonly code: ErrorCode
  readonly message: string
  readonly hint?: string
  readonly place?: ErrorPlace
  readonly stack?: string
  readonly cause?: ErrorData | { readonly message: string; readonly stack?: string }
}

export interface ErrorOptions {
  /** A full sentence that says what to do. Without it, that of the cause. */
  readonly hint?: string
  readonly place?: ErrorPlace
  readonly cause?: unknown
}

/** Message: lower case, no full stop, names in double quotes, says what was found. */
export class StreamError extends Error {
  readonly code: ErrorCode
  readonly hint: string | undefined
  readonly place: ErrorPlace

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'StreamError'
    this.code = code
    this.hint = options.hint ?? hintOf(options.cause)
    this.place = options.place ?? {}
  }

  get consequence(): Consequence {
    return ERRORS[this.code]
  }

  /** The same error with more known about its place; what is already known stays. */
  at(place: ErrorPlace): StreamError {
    const merged = new StreamError(this.code, this.message, {
      ...(this.hint === undefined ? {} : { hint: this.hint }),
      place: { ...place, ...this.place },
      ...(this.cause === undefined ? {} : { cause: this.cause }),
    })
    if (this.stack !== undefined) merged.stack = this.stack
    return merged
  }

  toData(): ErrorData {
    return {
      code: this.code,
      message: this.message,
      place: this.place,
      ...(this.hint === undefined ? {} : { hint: this.hint }),
      ...(this.stack === undefined ? {} : { stack: this.stack }),
      ...(this.cause === undefined ? {} : { cause: causeData(this.cause) }),
    }
  }

  static fromData(data: ErrorData): StreamError {
    const error = new StreamError(data.code, data.message, {
      ...(data.hint === undefined ? {} : { hint: data.hint }),
      ...(data.place === undefined ? {} : { place: data.place }),
      ...(data.cause === undefined ? {} : { cause: causeOf(data.cause) }),
    })
    if (data.stack !== undefined) error.stack = data.stack
    return error
  }
}

function causeData(cause: unknown): NonNullable<ErrorData['cause']> {
  if (cause instanceof StreamError) return cause.toData()
  if (cause instanceof Error) {
    const stack: unknown = cause.stack
    return { message: messageOf(cause), ...(typeof stack === 'string' ? { stack } : {}) }
  }
  return { message: messageOf(cause) }
}

function causeOf(data: NonNullable<ErrorData['cause']>): Error {
  if ('code' in data) return StreamError.fromData(data)
  const error = new Error(data.message)
  if (data.stack !== undefined) error.stack = data.stack
  return error
}

/**
 * Anything that was thrown, as a StreamError; what is not one already becomes `code`. Without a
 * code, what the system has refused is FILE_IO, or FILE_REFUSED where no waiting mends it, and
 * anything else a BUG.
 */
export function asStreamError(
  thrown: unknown,
  code: ErrorCode = refusedOr(isErrno(thrown) ? 'FILE_IO' : 'BUG', thrown),
  place: ErrorPlace = {},
): StreamError {
  if (thrown instanceof StreamError) return thrown.at(place)
  return new StreamError(code, messageOf(thrown), { place, cause: thrown })
}

/**
 * The text of anything that was thrown. Never throws: user code may throw an object without a
 * prototype, a symbol, or an error whose message is no text.
 */
export function messageOf(thrown: unknown): string {
  try {
    if (thrown instanceof Error) {
      const message: unknown = thrown.message
      if (typeof message === 'string' && message !== '') return message
      return `${thrown.name} without a message`
    }
    if (typeof thrown === 'string' && thrown !== '') return thrown
    // JSON has a text for texts and objects only.
    const text =
      typeof thrown === 'symbol' || typeof thrown === 'bigint'
        ? thrown.toString()
        : ((JSON.stringify(thrown) as string | undefined) ?? typeof thrown)
    return `a value that is no Error was thrown: ${text}`
  } catch {
    return `a value that is no Error was thrown, of type ${typeof thrown}`
  }
}

/** What a line of the log says of a failure that is not thrown: the innermost cause too. */
export function reasonOf({ code, message, cause }: ErrorData): {
  readonly code: ErrorCode
  readonly reason: string
  readonly cause?: string
} {
  const innermost = cause === undefined ? message : innermostOf(cause)
  return { code, reason: message, ...(innermost === message ? {} : { cause: innermost }) }
}

export function innermostOf(cause: NonNullable<ErrorData['cause']>): string {
  const deeper = 'cause' in cause ? cause.cause : undefined
  return deeper === undefined ? cause.message : innermostOf(deeper)
}

/**
 * What to do about what the system refuses. What is lasting holds until a person changes something,
 * so each of those has its hint.
 */
const REFUSALS: Readonly<Record<string, { readonly hint: string; readonly lasting?: true }>> = {
  ENOSPC: { hint: 'Free space on that disk, then start again: the job goes on where it was.' },
  EDQUOT: {
    hint: 'Free space or raise the quota, then start again: the job goes on where it was.',
  },
  EFBIG: {
    hint: 'A file would grow beyond the limit of this process or of the file system: raise the limit (ulimit -f), or choose another disk.',
    lasting: true,
  },
  EROFS: {
    hint: 'The file system is mounted read-only: choose another folder, or mount it for writing.',
    lasting: true,
  },
  EACCES: {
    hint: 'Give the user that runs the job the right to read and write there.',
    lasting: true,
  },
  EPERM: {
    hint: 'Give the user that runs the job the right to read and write there.',
    lasting: true,
  },
  ENOTDIR: {
    hint: 'A file stands where a folder is needed: move it away, or choose another folder.',
    lasting: true,
  },
  EISDIR: {
    hint: 'A folder stands where a file is needed: move it away, or choose another path.',
    lasting: true,
  },
  ELOOP: {
    hint: 'Symbolic links on that path lead in a circle: correct the link, or choose another path.',
    lasting: true,
  },
  ENAMETOOLONG: {
    hint: 'Choose a shorter path: one name in it may have 255 bytes on most disks, all of it 4,095. A name made of a value, as by partitionBy, needs a shorter value.',
    lasting: true,
  },
  EMFILE: { hint: 'Raise the limit of open files (ulimit -n).' },
  ENFILE: { hint: 'Raise the limit of open files of the machine (sysctl fs.file-max).' },
  EIO: { hint: 'The disk reports an error: look at the kernel log.' },
}

/** Whether the system refuses this however often it is tried. */
export function isLasting(thrown: unknown): boolean {
  if (thrown instanceof StreamError) {
    return thrown.code === 'FILE_REFUSED' || isLasting(thrown.cause)
  }
  return isErrno(thrown) && REFUSALS[thrown.code]?.lasting === true
}

/** FILE_REFUSED when the system refuses this however often it is tried, else the code given. */
export function refusedOr<C extends ErrorCode>(otherwise: C, cause: unknown): C | 'FILE_REFUSED' {
  return isLasting(cause) ? 'FILE_REFUSED' : otherwise
}

function hintOf(cause: unknown): string | undefined {
  if (cause instanceof StreamError) return cause.hint
  return isErrno(cause) ? REFUSALS[cause.code]?.hint : undefined
}

/** ENOSPC, EIO and the like; codes of node itself begin with ERR_. */
function isErrno(thrown: unknown): thrown is Error & { readonly code: string } {
  if (!(thrown instanceof Error) || !('code' in thrown)) return false
  return typeof thrown.code === 'string' && /^E(?!RR_)[A-Z0-9]+$/.test(thrown.code)
}
