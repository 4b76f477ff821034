import { inspect } from 'node:util'

/** A value that shows itself only when asked to. Nothing prints, logs or serialises it. */
export interface Secret {
  readonly kind: 'secret'
  reveal(): string
}

const HIDDEN = '***'

class SecretValue implements Secret {
  readonly kind = 'secret'
  readonly #value: string

  constructor(value: string) {
    this.#value = value
    Object.freeze(this)
  }

  reveal(): string {
    return this.#value
  }

  toString(): string {
    return HIDDEN
  }

  toJSON(): string {
    return HIDDEN
  }

  [inspect.custom](): string {
    return HIDDEN
  }
}

export function secretOf(value: string): Secret {
  return new SecretValue(value)
}
