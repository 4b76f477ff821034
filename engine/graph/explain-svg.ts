import type { JobEdge, JobGraph, JobVertex } from './job-graph.ts'
import { keyText } from './chaining.ts'
import { stepWords } from './step-words.ts'
import { escapeXml, wrap } from './svg-text.ts'

const BOX_WIDTH = 330
const LINE_HEIGHT = 16
const STEP_GAP = 6
const PADDING = 12
const GAP_X = 170
const GAP_Y = 28
const MARGIN = 24
const LEGEND_HEIGHT = 26
/** Characters that fit a box at the size of its text. */
const NAME_MAX = 40
const DETAIL_MAX = 50
const LABEL_MAX = 26

interface Line {
  readonly text: string
  readonly style: 'task' | 'name' | 'detail'
  readonly y: number
}

interface Box {
  readonly vertex: JobVertex
  readonly lines: readonly Line[]
  readonly x: number
  readonly y: number
  readonly height: number
}

/** The box of each vertex, and for each edge at which height it passes columns between its ends. */
interface Layout {
  readonly boxes: readonly Box[]
  readonly lanes: readonly (readonly Point[])[]
}

interface Point {
  readonly x: number
  readonly y: number
}

const LEGEND =
  'Steps in one box are chained: records go straight on, because the parallelism is the same and there is one input.'

/** The tasks in columns by their distance from the sources, with an arrow for each edge. */
export function explainSvg(jobGraph: JobGraph): string {
  const layout = layOut(jobGraph)
  const { boxes, lanes } = layout
  const right = Math.max(...boxes.map((box) => box.x)) + BOX_WIDTH + MARGIN
  const width = Math.max(right, LEGEND.length * 6 + 2 * MARGIN)
  const lowest = [...boxes.map(({ y, height }) => y + height), ...lanes.flat().map(({ y }) => y)]
  const bottom = Math.max(...lowest) + MARGIN
  const height = bottom + LEGEND_HEIGHT
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<title>${escapeXml(`job ${jobGraph.graph.job}`)}</title>`,
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" fill="#567"/></marker></defs>',
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    ...boxes.map(drawBox),
    ...jobGraph.edges.map((edge) => arrow(edge, jobGraph, layout)),
    `<text x="${MARGIN}" y="${bottom + 4}" fill="#567" font-size="11">${LEGEND}</text>`,
    '</svg>',
  ]
  return `${parts.join('\n')}\n`
}

function layOut(jobGraph: JobGraph): Layout {
  const { vertices, edges } = jobGraph
  const layers: number[] = []
  for (const vertex of vertices) {
    const before = vertex.inputs.map((id) => layers[edges[id]!.fromVertex]!)
    layers[vertex.id] = before.length === 0 ? 0 : Math.max(...before) + 1
  }
  const xOf = (layer: number): number => MARGIN + layer * (BOX_WIDTH + GAP_X)
  const bottoms: number[] = []
  const boxes = vertices.map((vertex) => {
    const layer = layers[vertex.id]!
    const y = bottoms[layer] ?? MARGIN
    const { lines, height } = linesOf(vertex)
    bottoms[layer] = y + height + GAP_Y
    return { vertex, lines, x: xOf(layer), y, height }
  })
  // An arrow passes below the boxes of the columns between, not across them.
  const lanes = edges.map(({ fromVertex, toVertex }) => {
    const lane: Point[] = []
    for (let layer = layers[fromVertex]! + 1; layer < layers[toVertex]!; layer += 1) {
      const y = Math.max(bottoms[layer] ?? MARGIN, middle(boxes[fromVertex]!))
      bottoms[layer] = y + GAP_Y
      lane.push({ x: xOf(layer), y })
    }
    return lane
  })
  return { boxes, lanes }
}

/** What stands in a box, and at which height below its top. */
function linesOf(vertex: JobVertex): { readonly lines: readonly Line[]; readonly height: number } {
  const lines: Line[] = []
  let y = PADDING
  const put = (style: Line['style'], text: string): void => {
    y += LINE_HEIGHT
    lines.push({ style, text, y: y - 4 })
  }
  const { parallelism } = vertex
  put('task', `task ${vertex.id}, ${parallelism} ${parallelism === 1 ? 'subtask' : 'subtasks'}`)
  for (const [index, node] of vertex.chain.entries()) {
    y += STEP_GAP
    const title = node.name === node.kind ? node.name : `${node.name}: ${node.kind}`
    for (const text of wrap(title, NAME_MAX)) put('name', text)
    for (const word of [...inputWords(vertex, index), ...stepWords(node)]) {
      for (const text of wrap(word, DETAIL_MAX)) put('detail', text)
    }
  }
  return { lines, height: y + PADDING }
}

/** Which step it reads, where that is not plainly the one above it. */
function inputWords({ chain, parents, sides }: JobVertex, index: number): readonly string[] {
  if (index === 0) return []
  const [parent, side] = [parents[index]!, sides[index]]
  if (side !== undefined) return [`takes "${side}" of ${chain[parent]!.name}`]
  return parent === index - 1 ? [] : [`takes ${chain[parent]!.name}`]
}

const STYLES: Readonly<Record<Line['style'], string>> = {
  task: 'fill="#567" font-size="11"',
  name: 'fill="#123" font-weight="bold"',
  detail: 'fill="#345" font-size="11"',
}

function drawBox({ lines, x, y, height }: Box): string {
  const texts = lines.map((line) => {
    const indent = line.style === 'detail' ? PADDING + 8 : PADDING
    return `<text x="${x + indent}" y="${y + line.y}" ${STYLES[line.style]}>${escapeXml(line.text)}</text>`
  })
  const box = `<rect x="${x}" y="${y}" width="${BOX_WIDTH}" height="${height}" rx="6" fill="#eef4fa" stroke="#567"/>`
  return ['<g>', box, ...texts, '</g>'].join('')
}

/** The label stands at the tip of the arrow, on the side that the line does not come from. */
function arrow(edge: JobEdge, { edges }: JobGraph, { boxes, lanes }: Layout): string {
  const from = boxes[edge.fromVertex]!
  const to = boxes[edge.toVertex]!
  // Arrows end in the order in which they come, so that they cross as little as may be.
  const comesAt = (id: number): number =>
    lanes[id]!.at(-1)?.y ?? middle(boxes[edges[id]!.fromVertex]!)
  const rank = [...to.vertex.inputs].sort((a, b) => comesAt(a) - comesAt(b))
  const y2 = to.y + (to.height * (rank.indexOf(edge.id) + 1)) / (rank.length + 1)
  let at: Point = { x: from.x + BOX_WIDTH, y: middle(from) }
  let line = `M${at.x} ${at.y}`
  for (const pass of lanes[edge.id]!) {
    const end = pass.x + BOX_WIDTH
    line += `${curve(at, pass)}L${end} ${pass.y}`
    at = { x: end, y: pass.y }
  }
  const path = `<path d="${line}${curve(at, { x: to.x, y: y2 })}" fill="none" stroke="#567" marker-end="url(#tip)"/>`
  const labels = wrap(labelOf(edge, boxes), LABEL_MAX)
  const first = at.y < y2 ? y2 + 16 : y2 - 7 - (labels.length - 1) * 13
  const texts = labels.map(
    (label, index) =>
      `<text x="${to.x - 10}" y="${first + index * 13}" text-anchor="end" fill="#345" font-size="11" stroke="#fff" stroke-width="3" paint-order="stroke">${escapeXml(label)}</text>`,
  )
  return [path, ...texts].join('')
}

function curve(from: Point, to: Point): string {
  const bend = GAP_X / 2
  return `C${from.x + bend} ${from.y} ${to.x - bend} ${to.y} ${to.x} ${to.y}`
}

function middle({ y, height }: Box): number {
  return y + height / 2
}

/** Why the two are not chained. */
function labelOf({ partitioning, side, ...edge }: JobEdge, boxes: readonly Box[]): string {
  const [from, to] = [edge.fromVertex, edge.toVertex].map((id) => boxes[id]!.vertex)
  const output = side === undefined ? '' : `"${side}": `
  switch (partitioning.type) {
    case 'hash':
      return `${output}by ${keyText(partitioning.key)}`
    case 'forward':
      return `${output}${to!.inputs.length} inputs, subtask to subtask`
    case 'rebalance':
      return from!.parallelism === to!.parallelism
        ? `${output}round robin`
        : `${output}${from!.parallelism} to ${to!.parallelism} subtasks, round robin`
    case 'broadcast':
      return `${output}every record to every subtask`
    case 'global':
      return `${output}every record to one subtask`
    default:
      return partitioning satisfies never
  }
}
