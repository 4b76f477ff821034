import type { JobEdge, JobGraph, JobVertex } from './job-graph.ts'
import { escapeXml, shorten } from './svg-text.ts'

const BOX_WIDTH = 230
const LINE_HEIGHT = 18
const GAP_X = 90
const GAP_Y = 28
const MARGIN = 24
const TEXT_MAX = 32

interface Box {
  readonly vertex: JobVertex
  readonly lines: readonly string[]
  readonly x: number
  readonly y: number
  readonly height: number
}

/** The vertices in columns by their distance from the sources, with an arrow for each edge. */
export function explainSvg(jobGraph: JobGraph): string {
  const boxes = layOut(jobGraph)
  const width = Math.max(...boxes.map((box) => box.x)) + BOX_WIDTH + MARGIN
  const height = Math.max(...boxes.map((box) => box.y + box.height)) + MARGIN
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="13">`,
    `<title>${escapeXml(`job ${jobGraph.graph.job}`)}</title>`,
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" fill="#567"/></marker></defs>',
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    ...jobGraph.edges.map((edge) => arrow(edge, boxes)),
    ...boxes.map(drawBox),
    '</svg>',
  ]
  return `${parts.join('\n')}\n`
}

function layOut(jobGraph: JobGraph): readonly Box[] {
  const { vertices, edges } = jobGraph
  const layers: number[] = []
  for (const vertex of vertices) {
    const before = vertex.inputs.map((id) => layers[edges[id]!.fromVertex]!)
    layers[vertex.id] = before.length === 0 ? 0 : Math.max(...before) + 1
  }
  const bottoms: number[] = []
  return vertices.map((vertex) => {
    const layer = layers[vertex.id]!
    const lines = vertex.chain.map((node) => shorten(node.name, TEXT_MAX))
    const height = (lines.length + 1) * LINE_HEIGHT + 14
    const y = bottoms[layer] ?? MARGIN
    bottoms[layer] = y + height + GAP_Y
    return { vertex, lines, x: MARGIN + layer * (BOX_WIDTH + GAP_X), y, height }
  })
}

function drawBox({ vertex, lines, x, y, height }: Box): string {
  const texts = lines.map(
    (line, index) =>
      `<text x="${x + 12}" y="${y + 20 + (index + 1) * LINE_HEIGHT}" fill="#234">${escapeXml(line)}</text>`,
  )
  return [
    `<g><rect x="${x}" y="${y}" width="${BOX_WIDTH}" height="${height}" rx="6" fill="#eef4fa" stroke="#567"/>`,
    `<text x="${x + 12}" y="${y + 20}" fill="#567" font-weight="bold">[${vertex.id}] ×${vertex.parallelism}</text>`,
    ...texts,
    '</g>',
  ].join('')
}

function arrow(edge: JobEdge, boxes: readonly Box[]): string {
  const from = boxes[edge.fromVertex]!
  const to = boxes[edge.toVertex]!
  const x1 = from.x + BOX_WIDTH
  const y1 = from.y + from.height / 2
  const x2 = to.x
  const y2 = to.y + to.height / 2 + (edge.input === 0 ? 0 : LINE_HEIGHT)
  const bend = GAP_X / 2
  const label =
    edge.side === undefined ? edge.partitioning.type : `${edge.partitioning.type} (${edge.side})`
  return [
    `<path d="M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}" fill="none" stroke="#567" marker-end="url(#tip)"/>`,
    `<text x="${x2 - 8}" y="${y2 - 6}" text-anchor="end" fill="#567" font-size="11">${escapeXml(label)}</text>`,
  ].join('')
}
