import type { Cell } from './cell.ts'

/**
 * Cells sorted at once: as many as the low bits of a number can count. One sort takes a few
 * milliseconds at most, and most tables need just one.
 */
export const SORTED_CELLS = 8_192

/** Characters of a `sort` that go into a number beside its place: 5 × 8 + 13 bits are 53. */
const CHARACTERS = 5
/** Fewer cells than that are compared as text at once. */
const FEW = 12

const numbers = new Float64Array(SORTED_CELLS)

/**
 * Puts cells in order of their `sort`. More than SORTED_CELLS take longer each: those of one entry
 * may be as many.
 *
 * The characters behind those that all have in common and the cell's place make one number.
 * Numbers are sorted without a call to a function of ours for each comparison. Cells whose numbers
 * differ in the place alone are sorted among themselves in the same way.
 */
export function sortCells(cells: Cell[]): Cell[] {
  sortRange(cells, 0, cells.length)
  return cells
}

function sortRange(cells: Cell[], first: number, end: number): void {
  if (end - first < 2) return
  const part = cells.slice(first, end)
  if (part.length < FEW || part.length > SORTED_CELLS) {
    sortByText(part, cells, first)
    return
  }
  for (const [from, to] of sortByNumber(part, cells, first)) {
    // All are equal, or differ only in a character 0 at the end.
    if (to - from === part.length) sortByText(part, cells, first)
    else sortRange(cells, from, to)
  }
}

function sortByText(part: Cell[], cells: Cell[], first: number): void {
  part.sort(bySort)
  for (const [index, cell] of part.entries()) cells[first + index] = cell
}

/** Writes `part` to `cells` from `first` on, and returns where cells with equal numbers lie. */
function sortByNumber(
  part: readonly Cell[],
  cells: Cell[],
  first: number,
): (readonly [number, number])[] {
  const skip = commonLength(part)
  for (const [index, { sort }] of part.entries()) {
    numbers[index] = leading(sort, skip) * SORTED_CELLS + index
  }
  const order = numbers.subarray(0, part.length).sort()
  const ties: (readonly [number, number])[] = []
  let start = first
  let lead = -1
  for (const [index, number] of order.entries()) {
    const place = number % SORTED_CELLS
    cells[first + index] = part[place]!
    const own = number - place
    if (own === lead) continue
    if (first + index - start > 1) ties.push([start, first + index])
    start = first + index
    lead = own
  }
  const end = first + part.length
  if (end - start > 1) ties.push([start, end])
  return ties
}

/** CHARACTERS of the text from `skip` on as one number; what the text lacks counts as 0. */
function leading(text: string, skip: number): number {
  const { length } = text
  let number = 0
  for (let index = skip; index < skip + CHARACTERS; index += 1) {
    number = number * 256 + (index < length ? text.charCodeAt(index) : 0)
  }
  return number
}

/** How many characters all cells begin with. */
function commonLength(cells: readonly Cell[]): number {
  const first = cells[0]!.sort
  let common = first.length
  for (const { sort } of cells) {
    let same = 0
    const end = Math.min(common, sort.length)
    while (same < end && sort.charCodeAt(same) === first.charCodeAt(same)) same += 1
    common = same
  }
  return common
}

function bySort(left: Cell, right: Cell): number {
  return left.sort < right.sort ? -1 : left.sort > right.sort ? 1 : 0
}
