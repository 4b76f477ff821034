import { StreamError } from '../base/errors.ts'
import { nearest } from '../graph/suggest.ts'

/**
 * A value of a file that people may have written, with its place in it: each look says what it
 * wants, and CHAOS_SCHEDULE_INVALID says where it was not found.
 */
export class CheckedJson {
  readonly value: unknown
  /** As `faults[2].action`. */
  readonly place: string

  constructor(value: unknown, place: string) {
    this.value = value
    this.place = place
  }

  /** The text as JSON. */
  static parse(text: string, place: string): CheckedJson {
    try {
      return new CheckedJson(JSON.parse(text), place)
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      throw new StreamError('CHAOS_SCHEDULE_INVALID', `${place} is no JSON: ${why}`, {
        hint: 'Take the file as it was written, or mend it there.',
        cause: error,
      })
    }
  }

  /** A field of an object; its value may be undefined. */
  field(name: string): CheckedJson {
    return new CheckedJson(this.#fields()[name], `${this.place}.${name}`)
  }

  /** The field, when it is there. */
  optional<T>(name: string, read: (field: CheckedJson) => T): { readonly [name: string]: T } {
    const field = this.field(name)
    return field.value === undefined ? {} : { [name]: read(field) }
  }

  /** Refuses a field with any other name: it would be a slip that does nothing. */
  only(...names: readonly string[]): this {
    for (const name of Object.keys(this.#fields())) {
      if (names.includes(name)) continue
      throw invalid(`${this.place} has the field "${name}"`, suggestion(name, names))
    }
    return this
  }

  list(): readonly CheckedJson[] {
    if (!Array.isArray(this.value)) throw this.#isNot('a list')
    return this.value.map((item, index) => new CheckedJson(item, `${this.place}[${index}]`))
  }

  object(): Readonly<Record<string, unknown>> {
    return this.#fields()
  }

  text(): string {
    if (typeof this.value !== 'string') throw this.#isNot('a text')
    return this.value
  }

  flag(): boolean {
    if (typeof this.value !== 'boolean') throw this.#isNot('true or false')
    return this.value
  }

  number(): number {
    if (typeof this.value !== 'number') throw this.#isNot('a number')
    return this.value
  }

  wholeNumber(min: number): number {
    const { value } = this
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= min) return value
    throw this.#isNot(`a whole number from ${min} on`)
  }

  oneOf<T extends string>(known: readonly T[]): T {
    const text = this.text()
    const found = known.find((name) => name === text)
    if (found !== undefined) return found
    throw invalid(`${this.place} is "${text}"`, suggestion(text, known))
  }

  #fields(): Readonly<Record<string, unknown>> {
    const { value } = this
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw this.#isNot('an object')
    }
    return value as Readonly<Record<string, unknown>>
  }

  #isNot(wanted: string): StreamError {
    const found = this.value === undefined ? 'missing' : shortened(JSON.stringify(this.value))
    return invalid(`${this.place} is ${found}`, `Give ${wanted}.`)
  }
}

export function invalid(message: string, hint: string): StreamError {
  return new StreamError('CHAOS_SCHEDULE_INVALID', message, { hint })
}

const NAMES_SHOWN = 16
const VALUE_SHOWN = 60

function suggestion(name: string, known: readonly string[]): string {
  const near = nearest(name, known)
  if (near !== undefined) return `Did you mean "${near}"?`
  return known.length <= NAMES_SHOWN
    ? `There are: ${known.join(', ')}.`
    : '`millrace chaos points` lists them.'
}

function shortened(text: string): string {
  return text.length <= VALUE_SHOWN ? text : `${text.slice(0, VALUE_SHOWN)}…`
}
