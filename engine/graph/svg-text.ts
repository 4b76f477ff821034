/** What a text of a picture needs to be XML, whatever it holds. */
export function escapeXml(text: string): string {
  return text
    .replace(/[^\t\n\r\p{L}\p{M}\p{N}\p{P}\p{S}\p{Z}]/gu, '\ufffd')
    .replace(/[&<>"]/g, (character) => ENTITIES[character]!)
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
}

/** Cut to so many characters, of which the last then says that there is more. */
export function shorten(text: string, charactersMax: number): string {
  return text.length <= charactersMax ? text : `${text.slice(0, charactersMax - 1)}…`
}

/** Lines of at most so many characters, broken at spaces where there are any, or behind a slash. */
export function wrap(text: string, charactersMax: number): readonly string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > charactersMax) {
      lines.push(line)
      line = ''
    }
    line = line === '' ? word : `${line} ${word}`
    while (line.length > charactersMax) {
      const slash = line.lastIndexOf('/', charactersMax - 1) + 1
      const end = slash > charactersMax / 2 ? slash : charactersMax
      lines.push(line.slice(0, end))
      line = line.slice(end)
    }
  }
  return [...lines, line]
}
