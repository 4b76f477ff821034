/** JSON with every number as it is written: JSON.parse rounds to the nearest float64. */

/** A number as its text. */
export class ExactNumber {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

type Container = unknown[] | Record<string, unknown>

/**
 * As JSON.parse, with an ExactNumber for each number. `text` is known to be JSON. Keeps its own
 * stack, as JSON.parse does: deep nesting is no error.
 */
export function parseExact(text: string): unknown {
  const open: Container[] = []
  const names: string[] = []
  let root: unknown
  let at = 0
  const put = (value: unknown): void => {
    const container = open.at(-1)
    if (container === undefined) root = value
    else if (Array.isArray(container)) container.push(value)
    else setOwn(container, names.at(-1)!, value)
  }
  while (at < text.length) {
    const character = text[at]!
    switch (character) {
      case '{':
      case '[': {
        const container: Container = character === '{' ? {} : []
        put(container)
        open.push(container)
        names.push('')
        at += 1
        break
      }
      case '}':
      case ']':
        open.pop()
        names.pop()
        at += 1
        break
      case '"': {
        const end = stringEnd(text, at)
        const value = JSON.parse(text.slice(at, end)) as string
        at = end
        if (isName(text, at)) names[names.length - 1] = value
        else put(value)
        break
      }
      default: {
        const end = plainEnd(text, at)
        if (end > at) put(plainValue(text.slice(at, end)))
        at = Math.max(end, at + 1)
      }
    }
  }
  return root
}

function setOwn(object: Record<string, unknown>, name: string, value: unknown): void {
  if (name !== '__proto__') object[name] = value
  else Object.defineProperty(object, name, { value, enumerable: true, writable: true })
}

/** Behind the closing quote of the string that opens at `start`. */
function stringEnd(text: string, start: number): number {
  let end = text.indexOf('"', start + 1)
  for (;;) {
    let slash = end
    while (text[slash - 1] === '\\') slash -= 1
    if ((end - slash) % 2 === 0) return end + 1
    end = text.indexOf('"', end + 1)
  }
}

function isName(text: string, from: number): boolean {
  let at = from
  while (isSpace(text.charCodeAt(at))) at += 1
  return text[at] === ':'
}

function isSpace(code: number): boolean {
  return code === 32 || (code >= 9 && code <= 13)
}

/** Behind a number or a word; `start` where there is neither. */
function plainEnd(text: string, start: number): number {
  let at = start
  while (at < text.length && /[\w.+-]/.test(text[at]!)) at += 1
  return at
}

function plainValue(word: string): unknown {
  if (word === 'null') return null
  if (word === 'true' || word === 'false') return word === 'true'
  return new ExactNumber(word)
}
