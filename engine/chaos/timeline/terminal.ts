import type { Mark, MarkKind } from './marks.ts'
import type { Note, Row, StepRow, Timeline } from './model.ts'
import { formatCheckpointId } from '../../checkpoint/layout.ts'
import { columnings, marksIn, type Column } from './columns.ts'

export interface TerminalOptions {
  /** Columns. */
  readonly width: number
  readonly color: boolean
  /** Nothing but ASCII, for terminals and logs that know no more. */
  readonly ascii?: boolean
}

const WIDTH_MIN = 60
const NOTES_MIN = 28
const STEP_WIDTH = 7
const LABELS_MAX = 24
const NAME_WIDTH = 7

/** The picture of a run as text: a row a moment, a column a lane, no line wider than `width`. */
export function renderTerminal(timeline: Timeline, options: TerminalOptions): string {
  const width = Math.max(WIDTH_MIN, options.width)
  const table = new Table(timeline, width, options.color)
  const lines = [
    ...headLines(timeline, table),
    '',
    ...table.header(),
    ...timeline.rows.flatMap((row) => table.lines(row)),
    '',
    ...table.legend(),
  ]
  const text = lines.map((line) => line.trimEnd()).join('\n')
  return `${options.ascii === true ? asAscii(text) : text}\n`
}

function headLines(timeline: Timeline, table: Table): readonly string[] {
  const faults =
    timeline.faults.length === 0
      ? ['no fault']
      : timeline.faults.map((words) => table.painted('fault', `${GLYPHS.fault} ${words}`))
  const verdict =
    timeline.verdict === 'holds'
      ? [table.painted('good', 'no invariant is broken')]
      : timeline.violations.flatMap((words) => table.wrapped('fault', `! ${words}`))
  const diagnosis =
    timeline.diagnosis === undefined ? [] : table.wrapped('bad', `→ ${timeline.diagnosis}`)
  return [timeline.title, ...faults, ...verdict, ...diagnosis]
}

interface TableColumn extends Column {
  readonly width: number
}

class Table {
  readonly #timeline: Timeline
  readonly #width: number
  readonly #color: boolean
  readonly #columns: readonly TableColumn[]
  readonly #notes: number
  readonly #used = new Set<MarkKind>()

  constructor(timeline: Timeline, width: number, color: boolean) {
    this.#timeline = timeline
    this.#width = width
    this.#color = color
    this.#columns = this.#fitted()
    this.#notes = width - STEP_WIDTH - totalWidth(this.#columns)
  }

  header(): readonly string[] {
    const groups: { name: string; width: number }[] = []
    for (const { name, width } of this.#columns) {
      const last = groups.at(-1)
      if (last?.name === name) last.width += width + 1
      else groups.push({ name, width })
    }
    const names = groups.map(({ name, width }) => padded(name, width)).join(' ')
    const subtasks = this.#columns.map(({ title, width }) => padded(title, width)).join(' ')
    const lines = [`${' '.repeat(STEP_WIDTH)}${names}`, `${padded('step', STEP_WIDTH)}${subtasks}`]
    return lines.map((line) => this.painted('plain', line))
  }

  lines(row: Row): readonly string[] {
    switch (row.type) {
      case 'life':
        return ['', this.#rule(row.words)]
      case 'end':
        if (row.how === 'ended') return [this.#rule(row.words)]
        return this.wrapped('fault', `${row.how === 'killed' ? KILL : '✖'} ${row.words}`)
      case 'fold':
        return [this.painted('plain', cut(`${' '.repeat(STEP_WIDTH)}… ${row.words}`, this.#width))]
      case 'violation':
        return this.wrapped('fault', `! ${row.words}`)
      case 'step':
        return this.#stepLines(row)
      default:
        return row satisfies never
    }
  }

  legend(): readonly string[] {
    const used = [...this.#used].filter((kind) => LEGEND[kind] !== undefined)
    const words = KINDS.filter((kind) => used.includes(kind)).map((kind) => LEGEND[kind]!)
    const ends = this.#timeline.rows.filter(({ type }) => type === 'end')
    if (ends.some((row) => row.type === 'end' && row.how === 'killed')) {
      words.push(`${KILL} a life is killed`)
    }
    if (this.#timeline.verdict === 'broken') words.push('! an invariant is broken')
    return wrap(words.join(' · '), this.#width).map((line) => this.painted('plain', line))
  }

  painted(tone: Note['tone'], text: string): string {
    return this.#color ? `\u001b[${COLORS[tone]}m${text}\u001b[0m` : text
  }

  wrapped(tone: Note['tone'], text: string): readonly string[] {
    return wrap(text, this.#width).map((line) => this.painted(tone, line))
  }

  #stepLines(row: StepRow): readonly string[] {
    const { step, notes } = row
    const parts = this.#columns.map((column) => {
      const marks = marksIn(column, row)
      for (const { kind } of marks) this.#used.add(kind)
      const text = padded(cellText(marks), column.width)
      return marks.some(({ kind }) => kind === 'fault') ? this.painted('fault', text) : text
    })
    const words = notes.flatMap((note) =>
      wrap(note.words, this.#notes).map((line) => this.painted(note.tone, line)),
    )
    const start = `${padded(String(step), STEP_WIDTH)}${parts.join(' ')} `
    const indent = ' '.repeat(this.#width - this.#notes)
    return [`${start}${words[0] ?? ''}`, ...words.slice(1).map((line) => `${indent}${line}`)]
  }

  #rule(words: string): string {
    const start = cut(`── ${words} `, this.#width)
    return `${start}${'─'.repeat(Math.max(0, this.#width - start.length))}`
  }

  #fitted(): readonly TableColumn[] {
    let columns: readonly TableColumn[] = []
    for (const columning of columnings(this.#timeline.lanes)) {
      columns = columning.map((column) => ({ ...column, width: this.#widthOf(column) }))
      if (this.#width - STEP_WIDTH - totalWidth(columns) >= NOTES_MIN) break
    }
    return columns
  }

  #widthOf(column: Column): number {
    const { name, title } = column
    const isAlone = this.#timeline.lanes.filter(({ uid }) => uid === name).length <= 1
    let width = Math.max(title.length, isAlone || column.lanes.length > 1 ? NAME_WIDTH : 2)
    if (name === 'coordinator') width = name.length
    for (const row of this.#timeline.rows) {
      if (row.type !== 'step') continue
      width = Math.max(width, Math.min(LABELS_MAX, cellText(marksIn(column, row)).length))
    }
    return width
  }
}

function totalWidth(columns: readonly TableColumn[]): number {
  return columns.reduce((total, { width }) => total + width + 1, 0)
}

const KILL = '↯'
const GLYPHS = {
  trigger: '▷',
  barrier: '|',
  aligning: '▒',
  aligned: '',
  cut: 'S',
  acknowledge: 'a',
  decline: 'd',
  decision: '◆',
  commit: 'C',
  committed: 'c',
  abort: '⊘',
  restore: 'R←',
  claim: 'T',
  fence: 'F',
  durable: '',
  request: '',
  fault: '✖',
} as const satisfies Record<MarkKind, string>

const KINDS = Object.keys(GLYPHS) as readonly MarkKind[]

const LEGEND: Readonly<Partial<Record<MarkKind, string>>> = {
  trigger: '▷ triggered',
  barrier: '|1.2 barrier of checkpoint 1.2',
  aligning: '▒ alignment',
  cut: 'S snapshot',
  acknowledge: 'a acknowledged',
  decline: 'd declined',
  decision: '◆ complete',
  commit: 'C commit begins',
  committed: 'c committed',
  abort: '⊘ aborted',
  restore: 'R← restored',
  claim: 'T target claimed',
  fence: 'F second start',
  fault: '✖ fault',
}

function cellText(marks: readonly Mark[]): string {
  const shown = marks.filter(({ kind }) => kind !== 'aligned')
  const isApart = shown.some(({ label }) => label !== undefined)
  return shown
    .map((mark, index) => {
      const { kind, checkpointId, label, count } = mark
      const before = shown[index - 1]
      const isNamed = checkpointId !== undefined && NAMED.has(kind)
      const isSame = kind === 'committed' && before?.checkpointId === checkpointId
      const name = isNamed && !isSame ? formatCheckpointId(checkpointId) : ''
      return `${GLYPHS[kind]}${label ?? ''}${name}${count > 1 ? `×${count}` : ''}`
    })
    .join(isApart ? ' ' : '')
}

/** Marks that say which checkpoint they are of. */
const NAMED: ReadonlySet<MarkKind> = new Set<MarkKind>([
  ...(['trigger', 'barrier', 'decision', 'commit', 'committed', 'abort', 'restore'] as const),
])

const COLORS = { fault: '1;31', bad: '33', good: '32', plain: '2' } as const satisfies Record<
  Note['tone'],
  string
>

const ASCII: Readonly<Record<string, string>> = {
  '▷': '>',
  '▒': '#',
  '◆': '*',
  '⊘': '/',
  '←': '<-',
  '✖': 'X',
  '↯': 'K',
  '…': '...',
  '─': '-',
  '·': ',',
  '×': 'x',
  '→': '->',
  '’': "'",
}

function asAscii(text: string): string {
  return text.replace(/[^\n\u001b -~]/g, (character) => ASCII[character] ?? '?')
}

function padded(text: string, width: number): string {
  return cut(text, width).padEnd(width)
}

function cut(text: string, width: number): string {
  const plain = printable(text)
  return plain.length <= width ? plain : `${plain.slice(0, Math.max(0, width - 1))}…`
}

/** A message may hold anything: no control character reaches the terminal. */
function printable(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ')
}

function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = []
  let line = ''
  for (const word of printable(text).split(' ')) {
    const joined = line === '' ? word : `${line} ${word}`
    if (joined.length <= width) {
      line = joined
      continue
    }
    if (line !== '') lines.push(line)
    line = cut(word, width)
  }
  return [...lines, line]
}
