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
