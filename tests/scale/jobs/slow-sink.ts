import { defineJob } from 'millrace'
import { generatorSource } from 'millrace/connectors'
import { sinkOf, type SinkWriter, type WriterContext } from '../../../engine/operator/sink.ts'

const PAUSE_MS = 50

/** Takes a batch, then nothing for a while. */
class SlowWriter implements SinkWriter {
  readonly #context: WriterContext
  #isBusy = false

  constructor(context: WriterContext) {
    this.#context = context
  }

  write(): void {
    this.#isBusy = true
    this.#context.doors.clock.timer(PAUSE_MS, () => {
      this.#isBusy = false
      this.#context.kick()
    })
  }

  ready(): boolean {
    return !this.#isBusy
  }

  prepareCommit(): Promise<readonly never[]> {
    return Promise.resolve([])
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

const PADDING = 'x'.repeat(100)

/** A source that never waits, into a sink that always does. */
export default defineJob('slow-sink', (env) => {
  env.checkpointing({ everyMs: 3_600_000 })
  env
    .fromSource(
      'fast',
      generatorSource({ generate: (index) => ({ index, text: `${PADDING}${index}` }) }),
    )
    .rebalance()
    .map((row) => ({ ...row, length: row.text.length }))
    .rebalance()
    .sinkTo(
      'slow',
      sinkOf<unknown>({
        kind: 'slow',
        parameters: {},
        createWriter: (context) => new SlowWriter(context),
      }),
    )
})
