// Every test moves batches through the wire as a channel does: encoded in pieces as they fit,
// decoded in order by one decoder, and compared row by row.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ColumnDecoder, ColumnEncoder } from './column-codec.ts'
import { columnSet, copyColumns } from './column-set.ts'
import { RecordBatch } from './record-batch.ts'
import { memoryOf } from './wire-schema.ts'

const memory = memoryOf(new SharedArrayBuffer(256 * 1024))

class Wire {
  readonly encoder = new ColumnEncoder()
  readonly decoder = new ColumnDecoder()

  /** The pieces of a batch on the other side; `keep` sees each as a view, before it ends. */
  move(batch: RecordBatch, room = 128 * 1024): RecordBatch[] {
    const pieces: RecordBatch[] = []
    for (let from = 0; from < batch.count; from += this.encoder.encoded) {
      memory.bytes.fill(0xab)
      const used = this.encoder.encode(batch, from, memory, 64, room)
      if (used === 0) throw new Error('not one record fits')
      expect(used).toBeLessThanOrEqual(room)
      this.encoder.committed()
      const piece = this.decoder.decode(memory, 64, true)
      expect(piece.count).toBe(this.encoder.encoded)
      expect(piece.rows).toHaveLength(piece.count)
      pieces.push(piece)
    }
    memory.bytes.fill(0xcd)
    return pieces
  }

  rows(rows: readonly unknown[], room?: number): unknown[] {
    return this.move(RecordBatch.ofRows(rows), room).flatMap((piece) => piece.rows)
  }
}

const anyText = fc
  .array(fc.oneof(fc.integer({ min: 32, max: 0x7f }), fc.integer({ min: 0, max: 0xffff })), {
    maxLength: 30,
  })
  .map((units) => String.fromCharCode(...units))

const scalar = fc.oneof(
  fc.constantFrom(null, undefined, true, false, 0, -0, NaN, Infinity, 2 ** 31, 1n, 2n ** 63n, ''),
  fc.integer(),
  fc.double(),
  fc.bigInt(),
  anyText,
  fc.uint8Array({ maxLength: 9 }).map((bytes) => new Uint8Array(bytes)),
  fc.date({ noInvalidDate: true }),
)
const anyValue = fc.oneof(
  scalar,
  fc.array(scalar, { maxLength: 3 }),
  fc.dictionary(anyText, scalar, { maxKeys: 3, noNullPrototype: true }),
  fc.array(fc.tuple(anyText, scalar), { maxLength: 3 }).map((entries) => new Map(entries)),
)
const fieldName = fc.constantFrom('a', 'b', "it's", '"\n\\', '__proto__', 'toString', 'ü', '')
const anyRow = fc
  .array(fc.tuple(fieldName, anyValue), { maxLength: 5 })
  .map((fields) => Object.fromEntries(fields))

test('rows of any values and shapes come out as they went in', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.oneof({ weight: 5, arbitrary: anyRow }, anyValue))),
      (batches) => {
        const wire = new Wire()
        for (const rows of batches) expect(wire.rows(rows)).toStrictEqual(rows)
      },
    ),
    { numRuns: 150 },
  )
})

const typedRow = fc.record(
  {
    id: fc.integer(),
    price: fc.oneof(fc.integer(), fc.double()),
    name: anyText,
    note: fc.option(anyText),
    on: fc.boolean(),
    big: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    raw: fc.uint8Array({ maxLength: 5 }).map((bytes) => new Uint8Array(bytes)),
  },
  { requiredKeys: ['id', 'name'], noNullPrototype: true },
)

test('typed rows with absent fields come out as they went in, however little fits at once', () => {
  fc.assert(
    fc.property(
      fc.array(typedRow, { minLength: 1, maxLength: 40 }),
      fc.nat(4_000),
      (rows, more) => {
        const wire = new Wire()
        expect(wire.rows(rows, 1_000 + more)).toStrictEqual(rows)
        expect(wire.rows(rows, 1_000 + more)).toStrictEqual(rows)
      },
    ),
    { numRuns: 80 },
  )
})

test('minus zero, NaN, null, undefined and missing are told apart', () => {
  const rows = [{ a: 0 }, { a: -0 }, { a: NaN }, { a: null }, { a: undefined }, { b: 1 }]
  const found = new Wire().rows(rows)
  expect(found).toStrictEqual(rows)
  expect(Object.is((found[1] as { a: number }).a, -0)).toBe(true)
  const wire = new Wire()
  wire.rows([{ a: 0 }, { a: 1 }])
  expect(Object.is((wire.rows([{ a: -0 }])[0] as { a: number }).a, -0)).toBe(true)
})

test('a record that is one value comes out as one value', () => {
  for (const rows of [
    [1, 2],
    ['a', 'b'],
    [null, undefined],
    [[1], [2]],
    [new Date(0)],
    [{}],
    [1n],
  ]) {
    expect(new Wire().rows(rows)).toStrictEqual(rows)
  }
})

test('objects without fields are not taken for records that lack them', () => {
  const wire = new Wire()
  wire.rows([{ a: 1 }, { b: 1 }])
  const odd = [new Date(5), {}, new Map([[1, 2]]), []]
  expect(wire.rows(odd)).toStrictEqual(odd)
})

test('a surrogate pair split over two records stays split', () => {
  const rows = [{ t: 'a\ud83d' }, { t: '\ude00b' }, { t: '\ud83d\ude00' }, { t: 'é' }]
  expect(new Wire().rows(rows)).toStrictEqual(rows)
})

test('an own field __proto__ stays an own field', () => {
  const rows = [
    JSON.parse('{"__proto__": 1, "a": 2}'),
    JSON.parse('{"__proto__": null}'),
  ] as object[]
  const found = new Wire().rows(rows) as object[]
  expect(Object.getOwnPropertyDescriptor(found[0], '__proto__')?.value).toBe(1)
  expect(Object.getPrototypeOf(found[0])).toBe(Object.prototype)
  expect(Object.hasOwn(found[1]!, '__proto__')).toBe(true)
})

test('an object of a class becomes a plain one with its own fields', () => {
  class Click {
    at = 1
    get late(): boolean {
      return true
    }
  }
  function Old(this: { x: number }): void {
    this.x = 1
  }
  ;(Old.prototype as Record<string, unknown>)['inherited'] = 2
  const old = new (Old as unknown as new () => object)()
  expect(new Wire().rows([new Click(), new Click()])).toStrictEqual([{ at: 1 }, { at: 1 }])
  expect(new Wire().rows([old])).toStrictEqual([{ x: 1 }])
})

test('the schema travels once, and widens for good', () => {
  const wire = new Wire()
  const sizeOf = (rows: unknown[]): number => {
    const used = wire.encoder.encode(RecordBatch.ofRows(rows), 0, memory, 64, 4_096)
    wire.encoder.committed()
    expect(wire.decoder.decode(memory, 64, true).rows).toStrictEqual(rows)
    return used
  }
  const first = sizeOf([{ a: 1 }])
  expect(sizeOf([{ a: 2 }])).toBeLessThan(first)
  expect(wire.decoder.decode(memory, 64, true).columns?.column('a')?.kind).toBe('int32')
  sizeOf([{ a: 1.5 }])
  const widened = sizeOf([{ a: 1 }])
  expect(wire.decoder.decode(memory, 64, true).columns?.column('a')?.kind).toBe('float64')
  expect(widened).toBeLessThan(first + 8)
})

test('what was not committed is encoded again with its schema', () => {
  const { encoder, decoder } = new Wire()
  const batch = RecordBatch.ofRows([{ a: 1 }])
  encoder.encode(batch, 0, memory, 64, 4_096)
  encoder.encode(batch, 0, memory, 128, 4_096)
  encoder.committed()
  expect(decoder.decode(memory, 128, true).rows).toEqual([{ a: 1 }])
})

test('times, hashes, splits and offsets come along and outlive the memory', () => {
  const rows = [{ a: 1 }, { a: 2 }, { a: 3 }]
  const times = Float64Array.of(1, NaN, 3)
  const hashes = Int32Array.of(7, -8, 9)
  const splits = Int32Array.of(0, 1, 0)
  const offsets = Float64Array.of(10, 2 ** 40, 12)
  const wire = new Wire()
  const [one] = wire.move(new RecordBatch(3, rows, undefined, times, hashes, splits, offsets))
  expect([one!.times, one!.hashes, one!.splits, one!.offsets]).toEqual([
    times,
    hashes,
    splits,
    offsets,
  ])
  const [two] = wire.move(new RecordBatch(3, rows, undefined, undefined, undefined, 5, undefined))
  expect([two!.times, two!.splits, two!.rows]).toEqual([undefined, 5, rows])
  const longer = new RecordBatch(2, rows, undefined, times, undefined, undefined, offsets)
  expect(wire.move(longer)[0]!.times).toEqual(times.slice(0, 2))
})

test('columns go as they are, without rows, in pieces where they must', () => {
  fc.assert(
    fc.property(
      fc.array(typedRow, { minLength: 2, maxLength: 60 }),
      fc.nat(3_000),
      (rows, more) => {
        const first = new Wire()
        const encoder = first.encoder
        encoder.encode(RecordBatch.ofRows(rows), 0, memory, 64, 128 * 1024)
        if (encoder.encoded !== rows.length) return
        encoder.committed()
        const view = first.decoder.decode(memory, 64, true)
        const kept = copyColumns(view.columns!)
        const whole = new RecordBatch(
          rows.length,
          undefined,
          kept,
          undefined,
          undefined,
          1,
          undefined,
        )
        const moved = new Wire().move(whole, 1_500 + more)
        expect(moved.flatMap((piece) => piece.rows)).toStrictEqual(rows)
      },
    ),
    { numRuns: 50 },
  )
})

test('columns made by hand come out as rows, null where they are not valid', () => {
  const set = columnSet(
    3,
    ['n', 'text', 'at', 'on', 'big'],
    [
      { kind: 'int32', values: Int32Array.of(1, 2, 3), validity: Uint8Array.of(0b101) },
      {
        kind: 'utf8',
        offsets: Int32Array.of(0, 1, 3, 3),
        bytes: Buffer.from('aé'),
        validity: undefined,
      },
      { kind: 'timestamp', values: Float64Array.of(1, 2, 3), validity: undefined },
      { kind: 'bool', values: Uint8Array.of(1, 0, 1), validity: undefined },
      { kind: 'int64', values: BigInt64Array.of(1n, 2n, 3n), validity: undefined },
    ],
  )
  const rows = [
    { n: 1, text: 'a', at: 1, on: true, big: 1n },
    { n: null, text: 'é', at: 2, on: false, big: 2n },
    { n: 3, text: '', at: 3, on: true, big: 3n },
  ]
  expect(set.toRows()).toStrictEqual(rows)
  expect(set.gather(Int32Array.of(2, 0), 2).toRows()).toStrictEqual([rows[2], rows[0]])
  const batch = new RecordBatch(3, undefined, set, undefined, undefined, undefined, undefined)
  expect(new Wire().move(batch)[0]!.rows).toStrictEqual(rows)
})

test('gathered columns are the chosen rows', () => {
  fc.assert(
    fc.property(
      fc.array(typedRow, { minLength: 1, maxLength: 30 }),
      fc.infiniteStream(fc.nat()),
      (rows, picks) => {
        const [piece] = new Wire().move(RecordBatch.ofRows(rows), 128 * 1024)
        if (piece!.count !== rows.length) return
        const wire = new Wire()
        wire.encoder.encode(RecordBatch.ofRows(rows), 0, memory, 64, 128 * 1024)
        const view = wire.decoder.decode(memory, 64, true)
        const indices = Int32Array.from([...picks.take(20)].map((pick) => pick % rows.length))
        const gathered = view.columns!.gather(indices, indices.length)
        memory.bytes.fill(0xee)
        expect(gathered.toRows()).toStrictEqual([...indices].map((index) => rows[index]))
      },
    ),
    { numRuns: 50 },
  )
})

test('a record that does not fit is refused, and a batch is cut where it must be', () => {
  const { encoder } = new Wire()
  const huge = RecordBatch.ofRows([{ text: 'x'.repeat(5_000) }])
  expect(encoder.encode(huge, 0, memory, 64, 4_096)).toBe(0)
  expect(encoder.encode(huge, 0, memory, 64, 6_000)).toBeGreaterThan(5_000)
  const rows = Array.from({ length: 1_000 }, (_, id) => ({ id, text: '·'.repeat(id % 90) }))
  expect(new Wire().rows(rows, 8_192)).toStrictEqual(rows)
})

test('a value that no bytes can hold is named with its field and its place', () => {
  const rows = [
    { a: 1, b: [1] },
    { a: 2, b: [() => 1] },
  ]
  const offsets = Float64Array.of(41, 42)
  const batch = new RecordBatch(2, rows, undefined, undefined, undefined, undefined, offsets)
  expect(() => new Wire().move(batch)).toThrow('field "b" of a record')
  expect(() => new Wire().move(batch)).toThrow(
    expect.objectContaining({ code: 'VALUE_UNFIT', place: { offset: 42 } }),
  )
})
