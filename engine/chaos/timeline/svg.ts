import type { Mark, MarkKind } from './marks.ts'
import type { Note, Row, StepRow, Timeline } from './model.ts'
import { escapeXml, shorten } from '../../graph/svg-text.ts'
import { columnings, marksIn, type Column } from './columns.ts'
import { bolt, cellWidth, drawCell, LEGEND } from './glyphs.ts'

const MARGIN = 20
const ROW = 26
const LINE = 20
const STEP_WIDTH = 96
const MS_X = 48
const COLUMN_MIN = 44
const COLUMN_GAP = 14
const NAME_CHARACTER = 7
const NOTE_CHARACTERS = 46
const NOTES_WIDTH = 330
/** Wider than that, and subtasks share columns. */
const COLUMNS_WIDTH_MAX = 900
const HEAD_CHARACTERS = 110

/**
 * The picture of a run as SVG: stands alone, with no script and no font of its own, and is readable
 * on light and on dark.
 */
export function renderSvg(timeline: Timeline): string {
  return new Drawing(timeline).draw()
}

interface DrawnColumn extends Column {
  /** Its middle. */
  readonly x: number
  readonly width: number
}

class Drawing {
  readonly #timeline: Timeline
  readonly #columns: readonly DrawnColumn[]
  readonly #width: number
  readonly #parts: string[] = []
  readonly #used = new Set<MarkKind>()
  #y = MARGIN

  constructor(timeline: Timeline) {
    this.#timeline = timeline
    this.#columns = placed(timeline)
    const last = this.#columns.at(-1)
    this.#width = (last === undefined ? 0 : last.x + last.width / 2) + NOTES_WIDTH + MARGIN
  }

  draw(): string {
    this.#head()
    const top = this.#y
    this.#names()
    for (const row of this.#timeline.rows) this.#row(row)
    const bottom = this.#y
    this.#legend()
    const height = this.#y + MARGIN
    const width = Math.ceil(this.#width)
    const lanes = this.#columns.map(
      ({ x }) => `<path class="lane" d="M${x} ${top + 2 * LINE}V${bottom}"/>`,
    )
    const lines = [
      `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
      `<title>${escapeXml(this.#timeline.title)}</title>`,
      `<style>${STYLE}</style>`,
      `<rect class="paper" width="${width}" height="${height}"/>`,
      ...lanes,
      ...this.#parts,
      '</svg>',
    ]
    return `${lines.join('\n')}\n`
  }

  #head(): void {
    const { title, faults, verdict, violations, diagnosis } = this.#timeline
    this.#line(title, 'title', LINE + 4)
    if (faults.length === 0) this.#line('no fault', 'dim')
    for (const words of faults) {
      this.#parts.push(drawCell([FAULT], MARGIN + 9, this.#y + 10))
      this.#text(MARGIN + 24, this.#y + 14, 'bad bold', shorten(words, HEAD_CHARACTERS))
      this.#y += LINE
    }
    if (verdict === 'holds') this.#line('no invariant is broken', 'good bold')
    for (const words of violations) this.#line(`! ${words}`, 'bad bold')
    if (diagnosis !== undefined) this.#line(`→ ${diagnosis}`, 'warn bold')
    this.#y += LINE / 2
  }

  #names(): void {
    const groups = new Map<string, DrawnColumn[]>()
    for (const column of this.#columns) {
      groups.set(column.name, [...(groups.get(column.name) ?? []), column])
    }
    for (const [name, columns] of groups) {
      const [first, last] = [columns[0]!, columns.at(-1)!]
      const width = last.x + last.width / 2 - first.x + first.width / 2
      const shown = shorten(name, Math.floor((width + COLUMN_GAP - 4) / NAME_CHARACTER))
      this.#text((first.x + last.x) / 2, this.#y + 14, 'name', shown)
    }
    this.#y += LINE
    this.#text(MARGIN, this.#y + 12, 'dim', 'step')
    this.#text(MARGIN + MS_X, this.#y + 12, 'dim', 'ms')
    for (const { x, title } of this.#columns) this.#text(x, this.#y + 12, 'dim middle', title)
    this.#y += LINE
  }

  #row(row: Row): void {
    switch (row.type) {
      case 'life':
        this.#y += 10
        this.#band('life', row.words)
        break
      case 'end':
        if (row.how === 'ended') this.#band('life', row.words)
        else this.#ended(row.words)
        break
      case 'fold':
        this.#parts.push(
          `<rect class="fold" x="${MARGIN}" y="${this.#y + 3}" width="${this.#width - 2 * MARGIN}" height="${LINE - 4}"/>`,
        )
        this.#text(MARGIN + STEP_WIDTH, this.#y + 15, 'dim', `… ${row.words}`)
        this.#y += LINE + 2
        break
      case 'violation':
        this.#ended(`! ${row.words}`)
        break
      case 'step':
        this.#step(row)
        break
      default:
        row satisfies never
    }
  }

  #step(row: StepRow): void {
    const { step, atMs, notes } = row
    const lines = notes.flatMap(({ tone, words }) =>
      wrapped(words, NOTE_CHARACTERS).map((text) => ({ tone, text })),
    )
    const y = this.#y + ROW / 2
    const isStruck = notes.some(({ tone }) => tone === 'fault')
    const height = Math.max(ROW, lines.length * 16 + 10)
    if (isStruck) this.#rect('struck', height)
    this.#text(MARGIN, y + 4, 'dim', String(step))
    this.#text(MARGIN + MS_X, y + 4, 'dim', String(Math.round(atMs)))
    for (const column of this.#columns) {
      const marks = marksIn(column, row)
      for (const { kind } of marks) this.#used.add(kind)
      if (marks.some(({ kind }) => kind !== 'aligned')) this.#cell(marks, column, y)
    }
    const x = this.#width - NOTES_WIDTH - MARGIN + COLUMN_GAP
    for (const [index, { tone, text }] of lines.entries()) {
      this.#text(x, y + 4 + index * 16, TONES[tone], text)
    }
    this.#y += height
  }

  #cell(marks: readonly Mark[], { x }: DrawnColumn, y: number): void {
    const width = cellWidth(marks) + 4
    this.#parts.push(
      `<rect class="paper" x="${x - width / 2}" y="${y - 11}" width="${width}" height="22"/>`,
      drawCell(marks, x, y),
    )
  }

  #band(name: string, words: string): void {
    this.#rect(name, LINE + 4)
    this.#text(MARGIN + 8, this.#y + 17, 'bold', shorten(words, HEAD_CHARACTERS))
    this.#y += LINE + 8
  }

  /** A life that is cut off, or an invariant that is broken: in red, across all lanes. */
  #ended(words: string): void {
    const lines = wrapped(words, HEAD_CHARACTERS)
    this.#y += 2
    this.#rect('end', lines.length * 18 + 10)
    this.#parts.push(bolt(MARGIN + 10, this.#y + 14))
    for (const [index, text] of lines.entries()) {
      this.#text(MARGIN + 28, this.#y + 19 + index * 18, 'bad bold', text)
    }
    this.#y += lines.length * 18 + 14
  }

  #legend(): void {
    this.#y += LINE
    let x = MARGIN
    for (const [kind, words] of LEGEND) {
      if (!this.#used.has(kind)) continue
      const mark: Mark = { kind, count: 1 }
      const width = cellWidth([mark])
      const whole = width + 6 + words.length * NAME_CHARACTER + 18
      if (x + whole > this.#width - MARGIN) {
        x = MARGIN
        this.#y += LINE + 4
      }
      this.#parts.push(drawCell([mark], x + width / 2, this.#y))
      this.#text(x + width + 6, this.#y + 4, 'dim', words)
      x += whole
    }
  }

  #line(words: string, name: string, height = LINE): void {
    for (const text of wrapped(words, HEAD_CHARACTERS)) {
      this.#text(MARGIN, this.#y + 14, name, text)
      this.#y += height
    }
  }

  #rect(name: string, height: number): void {
    const width = this.#width - 2 * MARGIN
    this.#parts.push(
      `<rect class="${name}" x="${MARGIN}" y="${this.#y}" width="${width}" height="${height}" rx="4"/>`,
    )
  }

  #text(x: number, y: number, name: string, words: string): void {
    if (words === '') return
    this.#parts.push(`<text class="${name}" x="${x}" y="${y}">${escapeXml(words)}</text>`)
  }
}

const FAULT: Mark = { kind: 'fault', count: 1 }

const TONES = {
  fault: 'bad bold',
  bad: 'warn',
  good: 'good',
  plain: 'plain',
} as const satisfies Record<Note['tone'], string>

/** The first columning that is narrow enough, or the narrowest. */
function placed({ lanes, rows }: Timeline): readonly DrawnColumn[] {
  const steps = rows.filter((row) => row.type === 'step')
  let columns: DrawnColumn[] = []
  for (const columning of columnings(lanes)) {
    let left = MARGIN + STEP_WIDTH
    columns = columning.map((column) => {
      const widths = steps.map((row) => cellWidth(marksIn(column, row)))
      const isOther = column.lanes[0]!.kind !== 'subtask'
      const name = isOther ? column.name.length * NAME_CHARACTER : 0
      const width = widths.reduce((most, one) => Math.max(most, one), Math.max(COLUMN_MIN, name))
      const x = Math.round(left + width / 2)
      left += width + COLUMN_GAP
      return { ...column, x, width }
    })
    if (left <= COLUMNS_WIDTH_MAX) break
  }
  return columns
}

function wrapped(text: string, charactersMax: number): readonly string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(/\s+/)) {
    const longer = line === '' ? word : `${line} ${word}`
    if (longer.length <= charactersMax) line = longer
    else {
      if (line !== '') lines.push(line)
      line = shorten(word, charactersMax)
    }
  }
  return [...lines, line]
}

const LIGHT = {
  paper: '#ffffff',
  ink: '#223344',
  dim: '#667788',
  lane: '#d5dde5',
  life: '#e8eff6',
  fold: '#f4f6f8',
  end: '#fde8e6',
  struck: '#fff4f3',
  bad: '#c62828',
  warn: '#9a6700',
  good: '#1b7f3b',
  checkpoints: ['#1f6fb2', '#8250bf', '#0f8577', '#a3570c', '#b0357e', '#5d6b13'],
} as const

const DARK: Palette = {
  paper: '#12181f',
  ink: '#d8e1ea',
  dim: '#8d9bab',
  lane: '#2c3743',
  life: '#1f2b38',
  fold: '#171f28',
  end: '#44201f',
  struck: '#2a1a1b',
  bad: '#ff7b72',
  warn: '#e3b341',
  good: '#56d364',
  checkpoints: ['#6cb2f0', '#b99af2', '#4fc9b8', '#eba15a', '#ee86bd', '#b6c65a'],
}

type Palette = {
  readonly [Name in Exclude<keyof typeof LIGHT, 'checkpoints'>]: string
} & { readonly checkpoints: readonly string[] }

function styleOf(palette: Palette): string {
  const { checkpoints, ...colors } = palette
  const kinds = [
    ...checkpoints.map((color, index) => [`k${index}`, color] as const),
    ...(['bad', 'warn', 'good', 'dim'] as const).map((name) => [name, colors[name]] as const),
    ['plain', colors.ink] as const,
  ]
  return [
    ...(['paper', 'life', 'fold', 'end', 'struck'] as const).map(
      (name) => `.${name}{fill:${colors[name]}}`,
    ),
    `text{fill:${colors.ink}}`,
    `.lane{stroke:${colors.lane}}`,
    `.cross{stroke:${colors.bad}}`,
    ...kinds.map(([name, color]) => `.${name}{fill:${color};stroke:${color}}`),
    `text.on{fill:${colors.paper}}`,
    `.ring{fill:${colors.paper}}`,
  ].join('')
}

const STYLE = [
  styleOf(LIGHT),
  'text{stroke:none!important}.lane{fill:none}.cross,.bar{stroke-width:3.5;fill:none;stroke-linecap:round}',
  '.line{fill:none;stroke-width:1.6}.fill{stroke:none}.ring{stroke-width:1.6}',
  '.letter{text-anchor:middle;font-weight:bold}.middle,.name{text-anchor:middle}',
  '.bold,.name,.title{font-weight:bold}.title{font-size:16px}',
  `@media (prefers-color-scheme:dark){${styleOf(DARK)}}.lane,.line,.bar{fill:none}.fill{stroke:none}`,
].join('')
