import type { Mark, MarkKind } from './marks.ts'
import { counterOf, formatCheckpointId } from '../../checkpoint/layout.ts'
import { escapeXml, shorten } from '../../graph/svg-text.ts'

/** How wide a character of the pictures' fonts is taken to be. */
const CHARACTER = 6.6
const GAP = 6
const RADIUS = 8
const LABEL_MAX = 20

/**
 * Marks as shapes, so that no font is asked for a sign that it may not have. A checkpoint keeps its
 * colour through all lanes: classes `k0` to `k5`.
 */
const COLORS_OF_CHECKPOINTS = 6

interface Glyph {
  readonly width: number
  /** Drawn with its left edge at x and its middle at y. */
  draw(x: number, y: number): string
}

/** The marks of one cell, side by side around its middle. */
export function drawCell(marks: readonly Mark[], x: number, y: number): string {
  const glyphs = glyphsOf(marks)
  const parts: string[] = []
  let left = x - widthOf(glyphs) / 2
  for (const glyph of glyphs) {
    parts.push(glyph.draw(left, y))
    left += glyph.width + GAP
  }
  return parts.join('')
}

export function cellWidth(marks: readonly Mark[]): number {
  return widthOf(glyphsOf(marks))
}

/** What each mark means, in the order of a legend. */
export const LEGEND: readonly (readonly [kind: MarkKind, words: string])[] = [
  ['trigger', 'triggered'],
  ['barrier', 'barrier'],
  ['aligning', 'alignment'],
  ['cut', 'snapshot'],
  ['acknowledge', 'acknowledged'],
  ['decline', 'declined'],
  ['decision', 'complete'],
  ['commit', 'commit begins'],
  ['committed', 'committed'],
  ['abort', 'aborted'],
  ['restore', 'restored'],
  ['claim', 'target claimed'],
  ['fence', 'second start'],
  ['fault', 'fault'],
]

/** Where a life is cut off. */
export function bolt(x: number, y: number): string {
  return `<path class="bad" d="M${x + 6} ${y - 10}l-7 11h5l-3 9l8 -12h-5l4 -8z"/>`
}

function glyphsOf(marks: readonly Mark[]): readonly Glyph[] {
  return marks
    .filter(({ kind }) => kind !== 'aligned')
    .map((mark, index) => {
      // The commit that begins beside it has said of which checkpoint it is.
      const isSaid = mark.kind === 'committed' && index > 0
      return glyphOf(mark, isSaid ? '' : idOf(mark))
    })
}

function idOf({ checkpointId }: Mark): string {
  return checkpointId === undefined ? '' : formatCheckpointId(checkpointId)
}

function widthOf(glyphs: readonly Glyph[]): number {
  return glyphs.reduce((total, { width }) => total + width, GAP * Math.max(0, glyphs.length - 1))
}

function glyphOf(mark: Mark, id: string): Glyph {
  const shape = shapeOf(mark, id)
  if (mark.count === 1) return shape
  return joined(shape, words(`×${mark.count}`, 'dim'))
}

function shapeOf({ kind, checkpointId, label }: Mark, id: string): Glyph {
  const color =
    checkpointId === undefined ? 'k0' : `k${counterOf(checkpointId) % COLORS_OF_CHECKPOINTS}`
  switch (kind) {
    case 'trigger':
      return joined(path(10, 'M0 -6L9 0L0 6z', `line ${color}`), words(id, color))
    case 'barrier':
      return joined(path(4, 'M2 -10V10', `bar ${color}`), words(id, color))
    case 'aligning':
      return path(14, 'M0 6L12 -6M0 0L6 -6M6 6L12 0', `line ${color}`)
    case 'cut':
      return disc('S', `fill ${color}`)
    case 'acknowledge':
      return disc('a', `ring ${color}`)
    case 'decline':
      return disc('d', 'ring bad')
    case 'decision':
      return joined(
        path(20, 'M10 -10L20 0L10 10L0 0z', `fill ${color}`),
        words(id, `${color} bold`),
      )
    case 'commit':
      return joined(disc('C', `ring ${color}`), words(id, color))
    case 'committed':
      return joined(disc('c', `fill ${color}`), words(id, color))
    case 'abort':
      return joined(path(16, 'M8 -7A7 7 0 1 1 7.9 -7M3 5L13 -5', `line ${color}`), words(id, color))
    case 'restore':
      return joined(disc('R', `fill ${color}`), words(id, `${color} bold`))
    case 'claim':
      return disc('T', 'ring plain')
    case 'fence':
      return disc('F', 'fill bad')
    case 'durable':
    case 'request':
    case 'aligned':
      return words(shorten(label ?? '', LABEL_MAX), 'plain')
    case 'fault':
      return path(18, 'M2 -7L16 7M16 -7L2 7', 'cross')
    default:
      return kind satisfies never
  }
}

function disc(letter: string, name: string): Glyph {
  const isFilled = name.startsWith('fill')
  return {
    width: 2 * RADIUS,
    draw: (x, y) =>
      `<circle class="${name}" cx="${at(x + RADIUS)}" cy="${y}" r="${RADIUS - 0.5}"/>` +
      `<text class="${isFilled ? 'on' : name.slice(5)} letter" x="${at(x + RADIUS)}" y="${y + 4}">${letter}</text>`,
  }
}

function path(width: number, d: string, name: string): Glyph {
  return {
    width,
    draw: (x, y) => `<path class="${name}" transform="translate(${at(x)} ${y})" d="${d}"/>`,
  }
}

function words(text: string, name: string): Glyph {
  return {
    width: text.length * CHARACTER,
    draw: (x, y) =>
      text === ''
        ? ''
        : `<text class="${name}" x="${at(x)}" y="${y + 4}">${escapeXml(text)}</text>`,
  }
}

function joined(left: Glyph, right: Glyph): Glyph {
  if (right.width === 0) return left
  return {
    width: left.width + 2 + right.width,
    draw: (x, y) => left.draw(x, y) + right.draw(x + left.width + 2, y),
  }
}

function at(value: number): number {
  return Math.round(value * 10) / 10
}
