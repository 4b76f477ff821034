import { assert } from '../base/assert.ts'
import { StreamError } from '../base/errors.ts'
import { valueWriter } from '../stream/value-codec.ts'
import { evolvedReader, isSameSchema } from './schema-evolution.ts'
import type { StateDescriptor } from './state.ts'
import type { StateFileHeader, StateIdentity } from './state-file.ts'
import type { StateType } from './state-type.ts'
import type { StateTranscoder, Transcoding } from './transcoding.ts'
import { NO_TRANSCODING } from './transcoding.ts'

/** Ids from here on are the timers'. */
const STATES_MAX = 0xfff0

/**
 * The states of one operator and their ids in files.
 *
 * I1. An id belongs to one name for as long as files with it are in use, also when the state is no
 *     longer declared. What a restored checkpoint has used keeps its id.
 */
export class StateRegistry {
  readonly #types = new Map<string, StateType>()
  readonly #ids = new Map<string, number>()
  readonly #transcodings = new Map<StateFileHeader, Transcoding>()
  #next = 0

  find(name: string): StateType | undefined {
    return this.#types.get(name)
  }

  /** The id the files give it, or a new one. */
  nextId(name: string): number {
    const known = this.#ids.get(name)
    if (known !== undefined) return known
    assert(this.#next < STATES_MAX, 'an operator has too many states')
    const id = this.#next
    this.#reserve(name, id)
    return id
  }

  add(id: number, type: StateType): void {
    assert(this.#ids.get(type.descriptor.name) === id, 'a state is added under its own id')
    this.#types.set(type.descriptor.name, type)
  }

  /** The states of a file of a restored checkpoint. */
  adopt(header: StateFileHeader): void {
    for (const { id, descriptor } of header.states) {
      const known = this.#ids.get(descriptor.name)
      const isFree = known === undefined && ![...this.#ids.values()].includes(id)
      if (isFree) this.#reserve(descriptor.name, id)
      else if (known !== id) throw mixedIds(header, descriptor.name)
    }
    // I1: the files in which a dropped state has its id may still be read.
    for (const id of header.dropped ?? []) this.#next = Math.max(this.#next, id + 1)
  }

  typeOf(idText: string): StateType | undefined {
    for (const type of this.#types.values()) if (type.idText === idText) return type
    return undefined
  }

  identities(): readonly StateIdentity[] {
    return [...this.#types.values()].map(({ descriptor }) => ({
      id: this.#ids.get(descriptor.name)!,
      descriptor: withoutDefault(descriptor),
    }))
  }

  /** How the values of a file become values of the present schemas. */
  transcoding(header: StateFileHeader): Transcoding {
    const known = this.#transcodings.get(header)
    if (known !== undefined) return known
    const transcoders = new Map<number, StateTranscoder | 'dropped'>()
    for (const id of header.dropped ?? []) transcoders.set(id, 'dropped')
    for (const { id, descriptor } of header.states) {
      const now = this.#types.get(descriptor.name)?.descriptor
      if (now === undefined || isSameSchema(descriptor.value, now.value)) continue
      transcoders.set(id, {
        isMap: descriptor.type === 'map',
        read: evolvedReader(descriptor.value, now.value),
        write: valueWriter(now.value, now.name),
      })
    }
    const transcoding = transcoders.size === 0 ? NO_TRANSCODING : transcoders
    this.#transcodings.set(header, transcoding)
    return transcoding
  }

  #reserve(name: string, id: number): void {
    this.#ids.set(name, id)
    this.#next = Math.max(this.#next, id + 1)
  }
}

/** A default is no part of the bytes, and need not be plain JSON. */
function withoutDefault(descriptor: StateDescriptor): StateDescriptor {
  if (descriptor.type !== 'value') return descriptor
  const { type, name, value } = descriptor
  return { type, name, value }
}

function mixedIds(header: StateFileHeader, name: string): StreamError {
  return new StreamError(
    'ASSERTION_FAILED',
    `files of "${header.uid}" give state "${name}" different ids`,
    { hint: 'Declare the states of an operator in the same order in every subtask.' },
  )
}
