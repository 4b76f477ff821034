import { styleText } from 'node:util'

export type Style = 'bold' | 'dim' | 'red' | 'yellow' | 'green'

/** Gives `text` a style, or not: where the output takes no colour it returns it as it is. */
export type Paint = (style: Style, text: string) => string

export const plain: Paint = (_style, text) => text

export function painter(color: boolean): Paint {
  return color ? (style, text) => styleText(style, text, { validateStream: false }) : plain
}

interface Stream {
  readonly isTTY?: boolean
  readonly columns?: number
  readonly rows?: number
}

/** Size of the terminal behind `stream`; undefined: it is none, or cannot move its cursor. */
export function terminalSize(
  stream: Stream,
  env: NodeJS.ProcessEnv,
): { readonly columns: number; readonly rows: number } | undefined {
  if (stream.isTTY !== true || env['TERM'] === 'dumb') return undefined
  return { columns: stream.columns || COLUMNS_USUAL, rows: stream.rows || ROWS_USUAL }
}

/** As https://no-color.org has it: any value of NO_COLOR but the empty one turns colour off. */
export function hasColor(stream: Stream, env: NodeJS.ProcessEnv): boolean {
  return terminalSize(stream, env) !== undefined && (env['NO_COLOR'] ?? '') === ''
}

/** Where a terminal does not say. */
const COLUMNS_USUAL = 80
const ROWS_USUAL = 24
