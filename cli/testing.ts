/** A terminal as far as the screen of a run uses one: text, line feeds, up, clear to the end. */
export class TinyTerminal {
  readonly columns: number
  #lines: string[] = ['']
  #row = 0
  #column = 0

  constructor(columns: number) {
    this.columns = columns
  }

  write(text: string): void {
    for (const [part, up] of text.matchAll(/\u001b\[(\d+)A|\u001b\[[\d;]*[mJ]|[\s\S]/g)) {
      if (up !== undefined) this.#row = Math.max(0, this.#row - Number(up))
      else if (part.endsWith('J') && part.length > 1) this.#clear()
      else if (part === '\r') this.#column = 0
      else if (part === '\n') this.#feed()
      else if (part.length === 1) this.#put(part)
    }
  }

  /** What is on it, line by line. */
  get text(): readonly string[] {
    return this.#lines.map((line) => line.trimEnd())
  }

  #put(letter: string): void {
    if (this.#column === this.columns) this.#feed()
    const line = this.#lines[this.#row]!.padEnd(this.#column)
    this.#lines[this.#row] = line.slice(0, this.#column) + letter + line.slice(this.#column + 1)
    this.#column += 1
  }

  #feed(): void {
    this.#row += 1
    this.#column = 0
    this.#lines[this.#row] ??= ''
  }

  #clear(): void {
    this.#lines = this.#lines.slice(0, this.#row + 1)
    this.#lines[this.#row] = this.#lines[this.#row]!.slice(0, this.#column)
  }
}
