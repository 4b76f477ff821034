import { sinkOf } from '../../engine/index.ts'
import type { RecordBatch, Sink, SinkWriter, WriterContext } from '../../engine/index.ts'

/**
 * Prints a line for every record on standard output: text as it is, anything else as JSON, behind
 * `prefix> ` when there is one. Nothing is committed: after a crash lines may come again.
 */
export function printSink(options: { readonly prefix?: string } = {}): Sink<unknown> {
  const prefix = options.prefix === undefined ? '' : `${options.prefix}> `
  return sinkOf<unknown>({
    kind: 'print',
    parameters: { prefix: options.prefix ?? null },
    createWriter: (context) => new PrintWriter(prefix, context),
  })
}

class PrintWriter implements SinkWriter {
  readonly #prefix: string
  readonly #context: WriterContext
  #ready = true

  constructor(prefix: string, context: WriterContext) {
    this.#prefix = prefix
    this.#context = context
  }

  write(batch: RecordBatch): void {
    const { rows, count } = batch
    let lines = ''
    for (let row = 0; row < count; row += 1) lines += `${this.#prefix}${printed(rows[row])}\n`
    if (process.stdout.write(lines)) return
    this.#ready = false
    process.stdout.once('drain', () => {
      this.#ready = true
      this.#context.kick()
    })
  }

  ready(): boolean {
    return this.#ready
  }

  prepareCommit(): Promise<readonly []> {
    return Promise.resolve([])
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

/** One line: line breaks inside of a text are written as \n and \r. */
export function printed(record: unknown): string {
  if (typeof record === 'string') return record.replaceAll('\n', '\\n').replaceAll('\r', '\\r')
  const text: unknown = JSON.stringify(record, plain)
  // Undefined and functions have no JSON.
  return typeof text === 'string' ? text : String(record)
}

function plain(_: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString()
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  if (value instanceof Map) return [...(value as Map<unknown, unknown>)]
  if (value instanceof Set) return [...(value as Set<unknown>)]
  if (Object.is(value, -0)) return '-0'
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value
}
