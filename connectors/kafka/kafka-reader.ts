import type {
  AssignedSplit,
  Json,
  ReaderContext,
  SourceOutput,
  SourceReader,
  SplitPosition,
} from '../../engine/index.ts'
import type { KafkaSettings } from './kafka-options.ts'
import type { RowDecoding } from './partition-queue.ts'
import { assert, RecordBatch, StreamError } from '../../engine/index.ts'
import { GroupOffsets } from './group-offsets.ts'
import { KafkaCluster } from './kafka-cluster.ts'
import { splitStart } from './kafka-enumerator.ts'
import { KafkaFetcher } from './kafka-fetcher.ts'
import { PartitionQueue, RowCollector } from './partition-queue.ts'
import { watchOf } from './requests.ts'

/** Where a partition is read next. The topic's id keeps a new topic of the old name apart. */
interface KafkaPosition {
  readonly offset: number
  readonly topicId: string
}

/**
 * Reads the partitions of one subtask. Fetching goes on in the background; `poll` decodes what is
 * here, one batch of one partition, and takes the partitions in turn.
 */
export class KafkaReader implements SourceReader {
  readonly readsInTurn = true
  readonly #context: ReaderContext
  readonly #cluster: KafkaCluster
  readonly #fetcher: KafkaFetcher
  readonly #groupOffsets: GroupOffsets | undefined
  readonly #decoding: RowDecoding
  readonly #queues: PartitionQueue[] = []
  #turn = 0
  #mayComeMore = true
  /** Of the call of `poll` under way. */
  #output: SourceOutput | undefined

  constructor(settings: KafkaSettings, context: ReaderContext) {
    this.#context = context
    const { clock, random, logger } = context.doors
    const { brokers, unreachableAfterMs } = settings
    const transport = settings.transport(context.doors)
    const { watch } = watchOf(context.doors, { uid: context.uid, subtask: context.subtask })
    const shared = { brokers, transport, clock, random, logger, unreachableAfterMs, watch }
    this.#cluster = new KafkaCluster(shared)
    this.#fetcher = new KafkaFetcher({
      ...shared,
      cluster: this.#cluster,
      onData: () => {
        context.kick()
      },
      onError: (error) => {
        context.fail(error)
      },
    })
    this.#groupOffsets =
      settings.groupId === undefined
        ? undefined
        : new GroupOffsets(settings.groupId, this.#cluster, logger, clock)
    this.#decoding = {
      decoder: settings.format.createDecoder(),
      metadata: settings.metadata,
      malformed:
        settings.onMalformed === 'fail'
          ? undefined
          : (record) => {
              assert(this.#output !== undefined)
              this.#output.malformed(record)
            },
    }
  }

  addSplits(splits: readonly AssignedSplit[]): void {
    const added = splits.map((split) => queueOf(split))
    this.#queues.push(...added)
    this.#fetcher.add(added)
    this.#context.kick()
  }

  noMoreSplits(): void {
    this.#mayComeMore = false
    this.#context.kick()
  }

  poll(output: SourceOutput): 'more' | 'waiting' | 'finished' {
    const count = this.#queues.length
    this.#output = output
    let open = 0
    for (let tried = 0; tried < count; tried += 1) {
      this.#turn = (this.#turn + 1) % count
      const queue = this.#queues[this.#turn]!
      if (queue.finishReported) continue
      open += 1
      const mayRead = queue.hasData && output.isPaused?.(queue.index) !== true
      if (mayRead && this.#emitFrom(queue, output)) return 'more'
      if (queue.isFinished) {
        queue.finishReported = true
        output.finishSplit(queue.index)
        return 'more'
      }
    }
    return open === 0 && !this.#mayComeMore ? 'finished' : 'waiting'
  }

  snapshot(): readonly SplitPosition[] {
    return this.#queues.map((queue) => {
      const position: KafkaPosition = { offset: queue.position, topicId: queue.topicId }
      return { id: queue.id, position: { ...position }, finished: queue.isFinished }
    })
  }

  checkpointCompleted(positions: readonly SplitPosition[]): void {
    if (this.#groupOffsets === undefined) return
    const byId = new Map(positions.map((position) => [position.id, position]))
    const byTopic = new Map<string, { readonly partition: number; readonly offset: number }[]>()
    for (const queue of this.#queues) {
      const saved = byId.get(queue.id)
      if (saved === undefined) continue
      const partitions = byTopic.get(queue.topic) ?? []
      const { offset } = positionOf(saved.id, saved.position)
      partitions.push({ partition: queue.partition, offset })
      byTopic.set(queue.topic, partitions)
    }
    if (byTopic.size === 0) return
    const topics = [...byTopic].map(([topic, partitions]) => ({ topic, partitions }))
    this.#groupOffsets.commit(topics)
  }

  async close(): Promise<void> {
    await this.#groupOffsets?.close()
    await this.#fetcher.close()
  }

  /** False when the queue held nothing that is seen, or passed over. */
  #emitFrom(queue: PartitionQueue, output: SourceOutput): boolean {
    const collector = new RowCollector(this.#context.batchRecords)
    queue.read(collector, this.#decoding)
    this.#fetcher.wake()
    const { rows } = collector
    if (rows.length === 0) return collector.malformed > 0
    const offsets = collector.offsets.subarray(0, rows.length)
    output.emit(
      new RecordBatch(rows.length, rows, undefined, undefined, undefined, queue.index, offsets),
      collector.valueBytes,
    )
    return true
  }
}

function queueOf(split: AssignedSplit): PartitionQueue {
  const start = splitStart(split.start)
  const position =
    split.position === undefined
      ? { offset: start.offset, topicId: start.topicId }
      : positionOf(split.id, split.position)
  return new PartitionQueue({
    id: split.id,
    topic: start.topic,
    topicId: position.topicId,
    partition: start.partition,
    index: split.index,
    position: position.offset,
    end: start.end ?? undefined,
  })
}

function positionOf(split: string, position: Json): KafkaPosition {
  const { offset, topicId } = position as Partial<KafkaPosition>
  if (typeof offset !== 'number' || typeof topicId !== 'string') {
    throw new StreamError('CHECKPOINT_DAMAGED', `the position of "${split}" is none of Kafka`, {
      hint: 'Did another source have this uid? Give this one a uid of its own.',
      place: { split },
    })
  }
  return { offset, topicId }
}
