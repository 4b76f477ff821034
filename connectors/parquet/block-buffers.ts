import type { SchemaData } from '../../engine/index.ts'
import { VariableBuffer } from './column-buffer.ts'
import type { ColumnOwner } from './column-buffer.ts'

/** Texts and bytes: offsets into one block that grows. */
abstract class BlockBuffer extends VariableBuffer {
  protected block = new Uint8Array(0)
  protected used = 0

  protected reserve(bytes: number): void {
    if (this.used + bytes <= this.block.length) return
    const longer = new Uint8Array(Math.max(256, this.block.length * 2, this.used + bytes))
    longer.set(this.block.subarray(0, this.used))
    this.block = longer
  }

  override clear(): void {
    super.clear()
    this.used = 0
  }

  protected override ownBytes(): number {
    return this.offsets.byteLength + this.block.length
  }

  protected override parts() {
    return {
      values: this.block.subarray(0, this.used),
      offsets: this.offsets.subarray(0, this.count + 1),
      children: [],
    }
  }
}

export class BinaryBuffer extends BlockBuffer {
  append(value: unknown): void {
    if (value instanceof Uint8Array) {
      if (this.count === this.capacity) this.grow()
      this.reserve(value.length)
      this.block.set(value, this.used)
      this.used += value.length
    } else this.appendNull(value)
    this.count += 1
    this.offsets[this.count] = this.used
  }
}

const encoder = new TextEncoder()
const LONE_SURROGATE = /\p{Surrogate}/u

/**
 * Texts are gathered and encoded in one call a batch. When that gives a byte a character, the
 * lengths of the texts are those of their bytes; else each text is measured.
 */
export class TextBuffer extends BlockBuffer {
  #text = ''
  #texts: string[] = []
  /** Texts before this one are encoded. */
  #settled = 0
  readonly #allowed: ReadonlySet<string> | undefined

  constructor(
    schema: Extract<SchemaData, { kind: 'utf8' }>,
    nullable: boolean,
    owner: ColumnOwner,
  ) {
    super(schema, nullable, owner)
    this.#allowed = schema.oneOf === undefined ? undefined : new Set(schema.oneOf)
  }

  append(value: unknown): void {
    if (typeof value === 'string') {
      if (this.#allowed?.has(value) === false) throw this.refuse(value)
      if (this.count === this.capacity) this.grow()
      this.#text += value
      this.#texts.push(value)
    } else {
      this.appendNull(value)
      this.#texts.push('')
    }
    this.count += 1
  }

  override settle(): void {
    const text = this.#text
    const texts = this.#texts
    if (texts.length === 0) return
    this.reserve(text.length * 3)
    const free = this.block.subarray(this.used)
    const { written } = encoder.encodeInto(text, free)
    const { offsets } = this
    let at = this.used
    if (written === text.length) {
      for (let index = 0; index < texts.length; index += 1) {
        at += texts[index]!.length
        offsets[this.#settled + index + 1] = at
      }
    } else {
      for (let index = 0; index < texts.length; index += 1) {
        const each = texts[index]!
        // A lone surrogate has no bytes, and would be replaced.
        if (LONE_SURROGATE.test(each)) throw this.refuse(each)
        at += Buffer.byteLength(each)
        offsets[this.#settled + index + 1] = at
      }
    }
    this.used = at
    this.#settled = this.count
    this.#text = ''
    this.#texts = []
  }

  override clear(): void {
    super.clear()
    this.#settled = 0
  }
}
