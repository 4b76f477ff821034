// Operators that break the contract in one way each: verifyOperator must find every one, and by the
// run that is there for it.
import { expect, test } from 'vitest'
import type { OperatorContext, StreamOperator } from '../operator/operator.ts'
import type { OperatorSubject } from './operator-host.ts'
import type { ValueState } from '../state/state.ts'
import { keyHash } from '../stream/key-codec.ts'
import { RecordBatch } from '../stream/record-batch.ts'
import { record, verifyOperator } from './verify-operator.ts'

interface Row {
  readonly k: string
}

/** Counts the records of each key, correctly but for what a test overrides. */
class Counter implements StreamOperator {
  protected context!: OperatorContext
  protected state!: ValueState<{ n: number }, { n: number } | undefined>

  open(context: OperatorContext): void {
    this.context = context
    this.state = context.keyed.value({ type: 'value', name: 'n', value: { kind: 'packed' } })
  }

  processBatch(batch: RecordBatch): void {
    const made = (batch.rows as readonly Row[]).map(({ k }) => {
      this.context.keyed.setCurrentKey(k, keyHash(k))
      return { k, n: this.count() }
    })
    this.context.output.emit(batch.withRows(made))
  }

  protected count(): number {
    const counted = this.state.value() ?? { n: 0 }
    counted.n += 1
    this.state.update(counted)
    return counted.n
  }
}

function verify(create: () => StreamOperator): () => void {
  const subject: OperatorSubject = { create, keys: [{ type: 'field', field: 'k' }] }
  return () => {
    verifyOperator(subject)
      .input(record({ k: 'a' }), record({ k: 'b' }), record({ k: 'a' }))
      .expect(record({ k: 'a', n: 1 }), record({ k: 'b', n: 1 }), record({ k: 'a', n: 2 }))
  }
}

test('an operator that keeps its contract passes', () => {
  verify(() => new Counter())()
})

test('a wrong result is found in the plain run', () => {
  class Wrong extends Counter {
    protected override count(): number {
      return super.count() * 2
    }
  }
  expect(verify(() => new Wrong())).toThrow('when run plain')
})

test('a count beside the state is lost by a restore', () => {
  class Forgetful extends Counter {
    readonly #counts = new Map<unknown, number>()

    protected override count(): number {
      const key = this.context.keyed.currentKey
      const n = (this.#counts.get(key) ?? 0) + 1
      this.#counts.set(key, n)
      return n
    }
  }
  expect(verify(() => new Forgetful())).toThrow('when run with a restore after each element')
})

test('a change without update is lost at once', () => {
  class Silent extends Counter {
    protected override count(): number {
      const counted = this.state.value()
      if (counted === undefined) return super.count()
      counted.n += 1
      return counted.n
    }
  }
  const subject: OperatorSubject = {
    create: () => new Silent(),
    keys: [{ type: 'field', field: 'k' }],
  }
  const run = (): void => {
    verifyOperator(subject)
      .input(record({ k: 'a' }), record({ k: 'a' }), record({ k: 'a' }))
      .expect(record({ k: 'a', n: 1 }), record({ k: 'a', n: 2 }), record({ k: 'a', n: 3 }))
  }
  expect(run).toThrow('when run plain')
})

test('columns that are kept beyond the call turn to rubbish', () => {
  class Keeper extends Counter {
    #kept: RecordBatch | undefined

    override processBatch(batch: RecordBatch): void {
      this.#kept ??= batch
      // Rows of the first batch, which has ended by the second call.
      const kept = this.#kept === batch ? batch : this.#kept
      const fresh = new RecordBatch(
        kept.count,
        kept.columns === undefined ? kept.rows : undefined,
        kept.columns,
        kept.times,
        undefined,
        undefined,
        undefined,
      )
      this.context.output.emit(fresh)
    }
  }
  const run = (): void => {
    verifyOperator({ create: () => new Keeper() })
      .input(record({ n: 1 }, 5), { type: 'processing-time', ms: 1 }, record({ n: 2 }, 5))
      .expect(record({ n: 1 }, 5), record({ n: 1 }, 5))
  }
  expect(run).toThrow('when run over columns')
})

test('state under a key that the exchange does not know is found by two subtasks', () => {
  class Astray extends Counter {
    override processBatch(batch: RecordBatch): void {
      const made = (batch.rows as readonly Row[]).map(({ k }) => {
        this.context.keyed.setCurrentKey('all', keyHash('all'))
        return { k, n: this.count() }
      })
      this.context.output.emit(batch.withRows(made))
    }
  }
  const subject: OperatorSubject = {
    create: () => new Astray(),
    keys: [{ type: 'field', field: 'k' }],
  }
  const run = (): void => {
    verifyOperator(subject)
      .input(record({ k: 'a' }), record({ k: 'b' }), record({ k: 'c' }), record({ k: 'd' }))
      .expect(...['a', 'b', 'c', 'd'].map((k, index) => record({ k, n: index + 1 })))
  }
  expect(run).toThrow('subtasks')
})
