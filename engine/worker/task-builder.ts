import type { Doors } from '../base/doors.ts'
import type { ChannelReader, ChannelWriter } from '../channel/channel.ts'
import type { JobEdge, JobGraph, JobVertex } from '../graph/job-graph.ts'
import type { StreamNode } from '../graph/stream-graph.ts'
import type { OpenStore } from '../state/key-value-store.ts'
import type { StreamOperator } from '../operator/operator.ts'
import type { SourceReader } from '../operator/source.ts'
import type { Deployment } from './protocol.ts'
import type { WorkShare } from '../state/work-share.ts'
import type { GateChannel } from '../task/input-gate.ts'
import type { AlignedSource } from '../graph/alignment.ts'
import type { AlignedSubtask } from '../task/alignment-board.ts'
import type { OperatorStores } from '../task/subtask-state.ts'
import type { TaskOwner } from '../task/task-parts.ts'
import { ResultPartition } from '../channel/result-partition.ts'
import { MIN_WATERMARK } from '../stream/elements.ts'
import { AlignmentBoard } from '../task/alignment-board.ts'
import { InputGate } from '../task/input-gate.ts'
import { ChainLink, OperatorChain } from '../task/operator-chain.ts'
import { TaskOperatorContext } from '../task/operator-context.ts'
import { PassThrough } from '../task/pass-through.ts'
import { SinkOperator } from '../task/sink-operator.ts'
import { atSource, SourceDriver } from '../task/source-driver.ts'
import { SourceAlignment } from '../task/source-alignment.ts'
import { StreamTask } from '../task/stream-task.ts'
import { SubtaskState } from '../task/subtask-state.ts'
import { StateFiles } from './state-files.ts'

/** The ends of channels that this worker holds; made by whoever knows where the peers are. */
export interface Channels {
  writer(edge: JobEdge, from: number, to: number): ChannelWriter
  reader(edge: JobEdge, from: number, to: number): ChannelReader
}

export interface BuilderParts {
  readonly doors: Doors
  readonly deployment: Deployment
  readonly graph: JobGraph
  readonly channels: Channels
  readonly owner: TaskOwner
  /** The sources that wait for each other. */
  readonly aligned: readonly AlignedSource[]
  /** Wakes the worker's loop. */
  readonly kick: () => void
  /** Of the worker's time, what snapshots get. */
  readonly share: WorkShare
  /** For state beyond its cache; LevelDB when left out. */
  readonly openStore: OpenStore | undefined
}

/** Builds, opens and restores one subtask of one vertex. */
export class TaskBuilder {
  readonly #parts: BuilderParts
  readonly #vertex: JobVertex
  readonly #subtask: number
  readonly #files: StateFiles
  readonly #sinks: SinkOperator[] = []
  readonly #stores: OperatorStores[] = []
  #reader: SourceReader | undefined
  #task: StreamTask | undefined

  constructor(parts: BuilderParts, vertex: JobVertex, subtask: number) {
    this.#parts = parts
    this.#vertex = vertex
    this.#subtask = subtask
    const { doors, deployment, share, openStore } = parts
    this.#files = new StateFiles(doors, deployment, subtask, share, openStore)
  }

  async build(): Promise<StreamTask> {
    const { graph, doors, owner } = this.#parts
    const vertex = this.#vertex
    const operators: StreamOperator[] = []
    for (const node of vertex.chain) operators.push(await this.#operator(node))
    const partitions = vertex.outputs.map((id) => this.#partition(graph.edges[id]!))
    const state = new SubtaskState(this.#stores, this.#subtask, (uid, bytes) =>
      this.#files.write(uid, bytes),
    )
    const mayProduce = (): boolean => {
      for (const partition of partitions) if (!partition.hasCredit()) return false
      for (const sink of this.#sinks) if (!sink.ready()) return false
      return state.isReady(this.#parts.kick)
    }
    const chain = new OperatorChain(
      vertex.chain.map((node, index) => new ChainLink(node, operators[index]!, mayProduce)),
    )
    this.#connect(chain, partitions)
    const restoredMs =
      this.#parts.deployment.watermarks[vertex.id]?.[this.#subtask] ?? MIN_WATERMARK
    await this.#open(chain, restoredMs)
    const task = new StreamTask({
      vertex,
      subtask: this.#subtask,
      clock: doors.clock,
      faults: doors.faults,
      bufferTimeoutMs: graph.graph.settings.bufferTimeoutMs,
      chain,
      gate: vertex.inputs.length === 0 ? undefined : this.#gate(restoredMs),
      source: this.#reader === undefined ? undefined : this.#driver(this.#reader, chain),
      sinks: this.#sinks,
      partitions,
      mayProduce,
      state,
      beforeSnapshot: (checkpointId) => {
        this.#files.checkpointId = checkpointId
      },
      owner,
    })
    this.#task = task
    return task
  }

  async #operator(node: StreamNode): Promise<StreamOperator> {
    const { doors } = this.#parts
    const { runtime } = node
    const place = { uid: node.uid ?? node.name, subtask: this.#subtask, doors }
    const parallelism = this.#vertex.parallelism
    const fail = (error: unknown): void => {
      this.#parts.owner.failed(error)
    }
    switch (runtime.type) {
      case 'operator':
        return runtime.create()
      case 'source':
        this.#reader = runtime.source.createReader({
          ...place,
          parallelism,
          kick: () => {
            this.#task?.kick()
            this.#parts.kick()
          },
          fail: (error) => {
            fail(atSource(error, { operator: place.uid, subtask: this.#subtask }))
          },
        })
        return new PassThrough()
      case 'sink': {
        const context = {
          ...place,
          parallelism,
          uniqueName: () => this.#files.name(place.uid),
          kick: this.#parts.kick,
          fail,
        }
        const writer = runtime.sink.createWriter(context)
        await writer.open?.()
        const sink = new SinkOperator(place.uid, context, writer, doors.faults)
        this.#sinks.push(sink)
        return sink
      }
      default:
        return runtime satisfies never
    }
  }

  #driver(reader: SourceReader, chain: OperatorChain): SourceDriver {
    const { uid, name, runtime } = chain.head.node
    return new SourceDriver(
      reader,
      chain,
      {
        uid: uid ?? name,
        subtask: this.#subtask,
        logger: this.#parts.doors.logger,
        keeps: runtime.type === 'source' && runtime.source.onMalformed === 'dead-letter',
      },
      this.#alignment(chain),
    )
  }

  #alignment(chain: OperatorChain): SourceAlignment | undefined {
    const { aligned, deployment } = this.#parts
    const source = aligned.find(({ vertex }) => vertex === this.#vertex)
    if (source === undefined) return undefined
    const peers = source.peers.flatMap(({ vertex: { id, parallelism }, firstSlot }) =>
      Array.from({ length: parallelism }, (_, subtask): AlignedSubtask => ({
        slot: firstSlot + subtask,
        vertex: id,
        subtask,
      })),
    )
    return new SourceAlignment({
      board: new AlignmentBoard(deployment.alignment),
      own: peers.find(({ slot }) => slot === source.firstSlot + this.#subtask)!,
      peers,
      bounds: source.bounds,
      assigners: source.assigners.map((node) => chain.links[node]!.operator),
    })
  }

  #gate(restoredMs: number): InputGate {
    const { faults } = this.#parts.doors
    if (faults === undefined) return new InputGate(this.#gateChannels(), restoredMs)
    return new InputGate(this.#gateChannels(), restoredMs, ({ checkpointId }) => {
      faults.reach('align.first', { ...this.#task!.place, checkpointId })
    })
  }

  #connect(chain: OperatorChain, partitions: readonly ResultPartition[]): void {
    const vertex = this.#vertex
    for (const [index, link] of chain.links.entries()) {
      const parent = vertex.parents[index]!
      if (parent >= 0) chain.links[parent]!.addChild(link, vertex.sides[index])
    }
    for (const [index, id] of vertex.outputs.entries()) {
      const edge = this.#parts.graph.edges[id]!
      chain.links[edge.fromNode]!.addPartition(partitions[index]!, edge.side)
    }
  }

  async #open(chain: OperatorChain, restoredMs: number): Promise<void> {
    for (const [index, link] of chain.links.entries()) {
      const { node } = link
      const uid = node.uid ?? node.name
      const head = chain.links[0]!.node
      this.#parts.doors.faults?.reach('task.open', {
        uid,
        subtask: this.#subtask,
        what: head.uid ?? head.name,
      })
      const stores = await this.#files.openStores(node, index, this.#vertex, restoredMs)
      if (stores !== undefined) this.#stores.push(stores)
      link.operator.open(
        new TaskOperatorContext({
          uid,
          name: node.name,
          subtask: this.#subtask,
          parallelism: this.#vertex.parallelism,
          maxParallelism: this.#vertex.maxParallelism,
          doors: this.#parts.doors,
          output: link,
          store: stores?.keyed,
          broadcast: stores?.broadcast,
        }),
      )
    }
    // Fires what this subtask had still to fire, and tells it to those behind, who start anew.
    chain.offerWatermark(restoredMs)
  }

  #partition(edge: JobEdge): ResultPartition {
    const { graph, channels } = this.#parts
    const receiver = graph.vertices[edge.toVertex]!
    const writers =
      edge.partitioning.type === 'forward'
        ? [channels.writer(edge, this.#subtask, this.#subtask)]
        : Array.from({ length: receiver.parallelism }, (_, to) =>
            channels.writer(edge, this.#subtask, to),
          )
    const { uid, name } = receiver.chain[0]!
    return new ResultPartition(edge, writers, this.#subtask, receiver.maxParallelism, uid ?? name)
  }

  #gateChannels(): readonly GateChannel[] {
    const { graph, channels } = this.#parts
    const gate: GateChannel[] = []
    for (const id of this.#vertex.inputs) {
      const edge = graph.edges[id]!
      for (const from of sendersOf(graph, edge, this.#subtask)) {
        gate.push({ reader: channels.reader(edge, from, this.#subtask), input: edge.input })
      }
    }
    return gate
  }
}

/** The sending subtasks that have a channel to this receiver. */
export function sendersOf(graph: JobGraph, edge: JobEdge, to: number): readonly number[] {
  if (edge.partitioning.type === 'forward') return [to]
  const senders = graph.vertices[edge.fromVertex]!.parallelism
  return Array.from({ length: senders }, (_, from) => from)
}

/** Every channel of the job, as pairs of subtasks. */
export function* channelsOf(
  graph: JobGraph,
): Generator<{ readonly edge: JobEdge; readonly from: number; readonly to: number }> {
  for (const edge of graph.edges) {
    const receivers = graph.vertices[edge.toVertex]!.parallelism
    for (let to = 0; to < receivers; to += 1) {
      for (const from of sendersOf(graph, edge, to)) yield { edge, from, to }
    }
  }
}
