/** What the connectors' tests share: hand-moved contexts over real files. */
import { seededRandom, silentLogger, systemFiles } from '../engine/index.ts'
import type {
  Committable,
  FileHandle,
  Files,
  Json,
  MalformedRecord,
  Clock,
  Doors,
  ReaderContext,
  RecordBatch,
  SourceReader,
  WriterContext,
} from '../engine/index.ts'
import { systemClock } from '../engine/index.ts'

export function testDoors(doors: Partial<Doors> = {}): Doors {
  return {
    clock: systemClock,
    random: seededRandom(1),
    files: systemFiles,
    logger: silentLogger,
    ...doors,
  }
}

/** A clock that stands until it is advanced. */
export function testClock(): Clock & { advance(ms: number): void } {
  let nowMs = 1_000_000
  let timers: { atMs: number; callback: () => void }[] = []
  return {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    timer(delayMs, callback) {
      const timer = { atMs: nowMs + delayMs, callback }
      timers.push(timer)
      return {
        cancel: () => {
          timers = timers.filter((other) => other !== timer)
        },
      }
    },
    sleep: () => Promise.resolve(),
    immediate: (callback) => {
      setImmediate(callback)
    },
    advance(ms) {
      nowMs += ms
      const due = timers.filter((timer) => timer.atMs <= nowMs)
      timers = timers.filter((timer) => timer.atMs > nowMs)
      for (const timer of due) timer.callback()
    },
  }
}

export interface TestReaderContext extends ReaderContext {
  /** Resolves at the next kick, and rejects when the reader fails. */
  kicked(): Promise<void>
}

export function readerContext(doors: Partial<Doors> = {}): TestReaderContext {
  let waiting: { resolve: () => void; reject: (error: unknown) => void } | undefined
  let pending: { error?: unknown } | undefined
  return {
    uid: 'source',
    subtask: 0,
    parallelism: 1,
    doors: testDoors(doors),
    kick() {
      if (waiting === undefined) pending ??= {}
      else waiting.resolve()
      waiting = undefined
    },
    fail(error) {
      if (waiting === undefined) pending = { error }
      else waiting.reject(error)
      waiting = undefined
    },
    kicked() {
      const before = pending
      pending = undefined
      if (before !== undefined) {
        return 'error' in before ? Promise.reject(before.error) : Promise.resolve()
      }
      return new Promise((resolve, reject) => {
        waiting = { resolve, reject }
      })
    },
  }
}

export interface ReadResult {
  readonly rows: unknown[]
  readonly offsets: number[]
  readonly finished: number[]
  readonly batches: RecordBatch[]
  /** Records that were passed over, each with its bytes as text. */
  readonly malformed: { readonly offset: number; readonly text: string; readonly code: string }[]
}

/** Polls a reader to its end, or until it has emitted `batchesMax` batches. */
export async function runReader(
  reader: SourceReader,
  batchesMax = Infinity,
  context?: TestReaderContext,
): Promise<ReadResult> {
  const result: ReadResult = { rows: [], offsets: [], finished: [], batches: [], malformed: [] }
  const output = {
    emit(batch: RecordBatch) {
      result.batches.push(batch)
      result.rows.push(...batch.rows.slice(0, batch.count))
      result.offsets.push(...(batch.offsets?.slice(0, batch.count) ?? []))
    },
    malformed({ offset, error, bytes }: MalformedRecord) {
      result.malformed.push({ offset, text: Buffer.from(bytes).toString(), code: error.code })
    },
    finishSplit(index: number) {
      result.finished.push(index)
    },
  }
  while (result.batches.length < batchesMax) {
    const state = reader.poll(output)
    if (state === 'finished') break
    if (state === 'waiting') {
      if (context === undefined) break
      await context.kicked()
    }
  }
  return result
}

export interface TestWriterContext extends WriterContext {
  kicked(): Promise<void>
}

export function writerContext(
  options: { doors?: Partial<Doors>; uid?: string; subtask?: number; life?: string } = {},
): TestWriterContext {
  const reader = readerContext(options.doors)
  const subtask = options.subtask ?? 0
  let sequence = 0
  return {
    uid: options.uid ?? 'sink',
    subtask,
    parallelism: 1,
    doors: reader.doors,
    uniqueName: () => `ab12cd34-${subtask}-${options.life ?? '1'}-${sequence++}`,
    kick: () => {
      reader.kick()
    },
    fail: (error) => {
      reader.fail(error)
    },
    kicked: () => reader.kicked(),
  }
}

export class Crash extends Error {}

/** Real files that stop working at call `crashAt`, before it or after it took effect. */
export function crashingFiles(
  crashAt: number,
  after: boolean,
): { readonly files: Files; readonly calls: () => number } {
  let calls = 0
  const step = async <T>(call: () => Promise<T>): Promise<T> => {
    const mine = calls++
    if (mine > crashAt || (mine === crashAt && !after)) throw new Crash(`call ${mine}`)
    const result = await call()
    if (mine === crashAt) throw new Crash(`call ${mine}`)
    return result
  }
  const wrapHandle = (handle: FileHandle): FileHandle => ({
    write: (bytes, position) => step(() => handle.write(bytes, position)),
    read: (position, length) => handle.read(position, length),
    sync: () => step(() => handle.sync()),
    size: () => handle.size(),
    close: () => handle.close(),
  })
  const files: Files = {
    ...systemFiles,
    async open(path, mode) {
      let handle: FileHandle | undefined
      try {
        return wrapHandle(await step(async () => (handle = await systemFiles.open(path, mode))))
      } catch (error) {
        await handle?.close()
        throw error
      }
    },
    link: (existing, path) => step(() => systemFiles.link(existing, path)),
    rename: (from, to) => step(() => systemFiles.rename(from, to)),
    unlink: (path) => step(() => systemFiles.unlink(path)),
    mkdir: (path, access) => step(() => systemFiles.mkdir(path, access)),
    syncDirectory: (path) => step(() => systemFiles.syncDirectory(path)),
  }
  return { files, calls: () => calls }
}

/** What a table's committer is called with by the engine. */
export function committablesOf(effects: readonly Json[], bornAt = 1): Committable[] {
  return effects.map((effect, sequence) => ({ uid: 'sink', bornAt, subtask: 0, sequence, effect }))
}
