/**
 * Planted bugs: changes of one place each, of the kind that real engines have had. `find` stands
 * in the source once; the hunter bundles the engine with it replaced. The engine has none of it.
 */
export interface Mutant {
  readonly name: string
  /** What is wrong, and which historic bug it is like. */
  readonly what: string
  readonly file: string
  readonly find: string
  readonly replace: string
}

const CHECKPOINT = 'engine/checkpoint'

/** Bugs of durability: what must be on disk before the next step is not. */
const durability: readonly Mutant[] = [
  {
    name: 'manifest-name-not-synced',
    what: 'the decision is not made durable: the folder of the manifest is not synced',
    file: `${CHECKPOINT}/store.ts`,
    find: '      await files.link(temporary, path)\n      await files.syncDirectory(layout.manifests)\n',
    replace: '      await files.link(temporary, path)\n',
  },
  {
    name: 'manifest-not-synced',
    what: 'a manifest gets its name before its bytes are durable',
    file: `${CHECKPOINT}/store.ts`,
    find: '        await handle.write(bytes)\n        await handle.sync()\n',
    replace: '        await handle.write(bytes)\n',
  },
  {
    name: 'restored-manifest-not-synced',
    what: 'recovery acts on a manifest that may be in the page cache only',
    file: `${CHECKPOINT}/store.ts`,
    find: '    await this.#options.files.syncDirectory(this.#options.layout.manifests)\n',
    replace: '',
  },
  {
    name: 'state-not-synced',
    what: 'a subtask acknowledges before its state is durable',
    file: 'engine/state/state-file.ts',
    find: '    if (options.durable) await this.#handle.sync()\n',
    replace: '',
  },
  {
    name: 'state-name-not-synced',
    what: 'the name of a file of state is not durable when it is acknowledged',
    file: 'engine/state/state-file.ts',
    find: '    if (options.durable) await this.#files.syncDirectory(dirname(this.#path))\n',
    replace: '',
  },
  {
    name: 'staged-not-synced',
    what: 'staged output is acknowledged before it is durable (FLINK-35217)',
    file: 'connectors/files/staged-file.ts',
    find: '      await handle.sync()\n',
    replace: '',
  },
  {
    name: 'staged-name-not-synced',
    what: 'the name of staged output is not durable when it is acknowledged',
    file: 'connectors/files/lines-writer.ts',
    find: '    if (effects.length > 0) await this.#context.doors.files.syncDirectory(this.#staging)\n',
    replace: '',
  },
  {
    name: 'published-names-not-synced',
    what: 'the marker says that all is published before the names of the output are durable',
    file: 'connectors/files/file-committer.ts',
    find: '    await inParallel(touched, (folder) => this.#files.syncDirectory(folder))\n',
    replace: '',
  },
  {
    name: 'failed-sync-ignored',
    what: 'a failed fsync of staged output counts as done (fsyncgate)',
    file: 'connectors/files/staged-file.ts',
    find: '      await handle.sync()\n',
    replace: '      await handle.sync().catch(() => undefined)\n',
  },
]

/** Bugs of the order of things: decision, commit, marker, confirmation. */
const commit: readonly Mutant[] = [
  {
    name: 'marker-before-output',
    what: 'the marker is written before the output is linked',
    file: 'connectors/files/file-committer.ts',
    find: '      await this.#publish(effects)\n      await this.#writeMarker(marker)\n',
    replace: '      await this.#writeMarker(marker)\n      await this.#publish(effects)\n',
  },
  {
    name: 'marker-not-durable',
    what: 'staged names are removed before the marker is durable that says they are not needed',
    file: 'connectors/files/file-committer.ts',
    find: '    await writeDurably(this.#files, this.#marker, bytes, { replace: true, temporary })\n',
    replace:
      "    const handle = await this.#files.open(temporary, 'truncate')\n    await handle.write(bytes)\n    await handle.close()\n    await this.#files.rename(temporary, this.#marker)\n",
  },
  {
    name: 'commit-before-decision',
    what: 'a checkpoint is committed before its manifest is written',
    file: `${CHECKPOINT}/held-folder.ts`,
    find: '    await store.write(manifest)\n    return manifest\n',
    replace:
      '    await Promise.all(this.#parts.targets.map(({ committer, runner }) => committer.commit(manifest.sinks.find(({ uid }) => uid === runner.uid)?.committables ?? [], { lineage: lineage.id, instance, checkpointId: content.checkpointId })))\n    await store.write(manifest)\n    return manifest\n',
  },
  {
    name: 'pending-dropped',
    what: 'what an aborted checkpoint had cut is not declared again (iceberg#10526)',
    file: `${CHECKPOINT}/committables.ts`,
    find: '  return unconfirmed.filter(({ bornAt }) => bornAt <= id)\n',
    replace: '  return unconfirmed.filter(({ bornAt }) => bornAt === id)\n',
  },
  {
    name: 'confirmed-too-much',
    what: 'a confirmation forgets what a later checkpoint has cut',
    file: `${CHECKPOINT}/committables.ts`,
    find: '  return unconfirmed.filter(({ bornAt }) => bornAt > id)\n',
    replace: '  return unconfirmed.filter(({ bornAt }) => bornAt > id + 1)\n',
  },
  {
    name: 'confirmed-when-written',
    what: 'sinks forget committables when the manifest is written, not when they are committed',
    file: 'engine/job/job-master.ts',
    find: "    this.#tellOf('completed', checkpointId)\n",
    replace:
      "    this.#tellOf('completed', checkpointId)\n    this.#workers.tell({ type: 'confirmed', checkpointId })\n",
  },
  {
    name: 'recommit-skipped',
    what: 'a restored checkpoint counts as published, though its commit never came',
    file: `${CHECKPOINT}/committer-runner.ts`,
    find: '      await committer.commit(bornAfter(pending, decision.after), this.#marker(restoredId))\n',
    replace: '      await committer.commit([], this.#marker(restoredId))\n',
  },
  {
    name: 'failed-commit-swallowed',
    what: 'a commit that failed counts as done (FLINK-35749)',
    file: `${CHECKPOINT}/committer-runner.ts`,
    find: "        if (error.code !== 'SINK_COMMIT_FAILED') throw error\n",
    replace: "        if (error.code === 'SINK_COMMIT_FAILED') return\n",
  },
  {
    name: 'published-is-not-known-again',
    what: 'output that a commit had linked before it failed counts as a stranger (FLINK-13940)',
    file: 'connectors/files/file-committer.ts',
    find: '      if (there.inode === found.inode) return\n      // A staged file that a savepoint brought back is a copy of the one that was linked.\n      if (there.bytes === bytes && (await sameContent(this.#files, from, to))) return\n',
    replace: '',
  },
  {
    name: 'staged-swept-too-early',
    what: 'the start removes staged output before it has committed what is pending',
    file: `${CHECKPOINT}/committer-runner.ts`,
    find: '    await this.#retrying(async () => {\n      const decision = decideTarget({\n',
    replace:
      '    await committer.sweep([])\n    await this.#retrying(async () => {\n      const decision = decideTarget({\n',
  },
  {
    name: 'name-used-again',
    what: 'names of files leave out the life that made them (FLINK-10005, FLINK-24611)',
    file: 'engine/worker/state-files.ts',
    find: 'stateFileName(uidHash(uid), this.#subtask, this.checkpointId, this.#sequence)',
    replace:
      'stateFileName(uidHash(uid), this.#subtask, (this.checkpointId % 2 ** 32) + 2 ** 32, this.#sequence)',
  },
]

/** Bugs of the coordinator and of recovery. */
const coordination: readonly Mutant[] = [
  {
    name: 'late-acknowledgement-counts',
    what: 'an acknowledgement of an aborted checkpoint counts for the one under way',
    file: `${CHECKPOINT}/coordinator.ts`,
    find: '  if (pending === undefined || pending.id !== snapshot.checkpointId) return only(state)\n  if (pending.isBeingWritten',
    replace: '  if (pending === undefined) return only(state)\n  if (pending.isBeingWritten',
  },
  {
    name: 'one-acknowledgement-short',
    what: 'a checkpoint is complete when one subtask has not answered',
    file: `${CHECKPOINT}/coordinator.ts`,
    find: 'acknowledged.size === state.subtasks.length\n',
    replace: 'acknowledged.size >= state.subtasks.length - 1 && acknowledged.size > 0\n',
  },
  {
    name: 'id-used-again',
    what: 'the id of an aborted checkpoint is used again',
    file: `${CHECKPOINT}/coordinator.ts`,
    find: '  const next: CoordinatorState = {\n    ...state,\n    pending: undefined,\n',
    replace:
      '  const next: CoordinatorState = {\n    ...state,\n    counter: state.counter - 1,\n    pending: undefined,\n',
  },
  {
    name: 'in-doubt-is-complete',
    what: 'a decision that could not be made durable counts all the same',
    file: `${CHECKPOINT}/store.ts`,
    find: '      await files.syncDirectory(layout.manifests)\n',
    replace: '      await files.syncDirectory(layout.manifests).catch(() => undefined)\n',
  },
  {
    name: 'second-latest-restored',
    what: 'recovery begins at the checkpoint before the latest',
    file: `${CHECKPOINT}/store.ts`,
    find: '    return (await this.list()).at(-1)\n',
    replace: '    const ids = await this.list()\n    return ids.at(-2) ?? ids.at(-1)\n',
  },
  {
    name: 'epoch-used-again',
    what: 'a start takes the number of the life before it',
    file: `${CHECKPOINT}/epochs.ts`,
    find: '  return { epoch, ...life }\n',
    replace: '  return { epoch: Math.max(1, epoch - 1), ...life }\n',
  },
  {
    name: 'lock-ignored',
    what: 'a second engine goes on though the first one holds the folder',
    file: `${CHECKPOINT}/ownership.ts`,
    find: "    if (lock !== 'locked') return own(lock, options, processes)\n",
    replace:
      "    if (lock !== 'locked') return own(lock, options, processes)\n    return { release: () => Promise.resolve() }\n",
  },
  {
    name: 'needed-files-swept',
    what: 'the sweep deletes files that a retained checkpoint names',
    file: `${CHECKPOINT}/sweep.ts`,
    find: '    if (file === undefined || named.has(name)) return false\n',
    replace: '    if (file === undefined) return false\n',
  },
  {
    name: 'aborted-files-swept',
    what: 'the sweep deletes what an aborted checkpoint has written, though the next one names it',
    file: `${CHECKPOINT}/sweep.ts`,
    find: '    if (file === undefined || named.has(name)) return false\n',
    replace:
      '    const before = facts.retained.at(-2)?.checkpointId ?? Infinity\n    if (file === undefined) return false\n    if (file.checkpointId > before && file.checkpointId < latest.checkpointId) return true\n    if (named.has(name)) return false\n',
  },
  {
    name: 'failed-write-acknowledged',
    what: 'a subtask whose state could not be written acknowledges what it had before (FLINK-17350)',
    file: 'engine/state/keyed-state-store.ts',
    find: "      throw asStreamError(error, refusedOr('FILE_IO', error), { operator: this.#options.uid })\n",
    replace: '      return { chain: this.#chain.references, bytesWritten: 0 }\n',
  },
  {
    name: 'final-checkpoint-skipped',
    what: 'the tail of a bounded input is never committed (FLINK-26403)',
    file: 'engine/task/stream-task.ts',
    find: '    if (this.#barrier !== undefined) {\n      const barrier = this.#barrier\n',
    replace:
      '    if (this.#barrier !== undefined && this.#ended && this.#parts.sinks.length > 0) {\n      const { checkpointId } = this.#barrier\n      for (const sink of this.#parts.sinks) sink.confirm(checkpointId + 1)\n    }\n    if (this.#barrier !== undefined) {\n      const barrier = this.#barrier\n',
  },
]

/** Bugs of barriers, state, timers, splits and rescaling. */
const state: readonly Mutant[] = [
  {
    name: 'barrier-overtakes-records',
    what: 'a barrier goes on before what was given out before it, by timers too, and still waits',
    file: 'engine/channel/result-partition.ts',
    find: "    this.#sendToAll({ type: 'barrier', barrier })\n",
    replace: "    for (const writer of this.#writers) writer.send({ type: 'barrier', barrier })\n",
  },
  {
    name: 'read-past-barrier',
    what: 'alignment waits for the first barrier only (FLINK-17568)',
    file: 'engine/task/barrier-aligner.ts',
    find: '    if (this.#blockedCount < this.#blocked.length) return undefined\n    this.#unblock()\n    return barrier\n',
    replace:
      '    const isFirst = this.#blockedCount === 1\n    this.#blocked[channel] = 0\n    if (this.#blockedCount >= this.#blocked.length) this.#unblock()\n    return isFirst ? barrier : undefined\n',
  },
  {
    name: 'positions-too-late',
    what: 'positions are taken after the barrier has gone on and more was read',
    file: 'engine/task/subtask-checkpoint.ts',
    find: '      splits: splits === undefined ? {} : { [vertex.chain[0]!.uid!]: splits },\n',
    replace:
      '      splits: splits === undefined ? {} : { [vertex.chain[0]!.uid!]: source!.snapshot() },\n',
  },
  {
    name: 'timers-forgotten',
    what: 'timers of event time are not restored (FLINK-19300)',
    file: 'engine/state/state-restore.ts',
    find: '      line.restore(keyTextOf(cell), suffixOf(cell), this.#table)\n',
    replace:
      '      if (line !== eventTime) line.restore(keyTextOf(cell), suffixOf(cell), this.#table)\n',
  },
  {
    name: 'processing-timers-forgotten',
    what: 'timers of processing time are not restored (FLINK-4651)',
    file: 'engine/state/state-restore.ts',
    find: '      line.restore(keyTextOf(cell), suffixOf(cell), this.#table)\n',
    replace:
      '      if (line === eventTime) line.restore(keyTextOf(cell), suffixOf(cell), this.#table)\n',
  },
  {
    name: 'fired-timers-come-back',
    what: 'a timer that has fired leaves no tombstone, and fires again after a restore',
    file: 'engine/state/keyed-timers.ts',
    find: '    const kind = timer.isRegistered ? VALUE : TOMBSTONE\n',
    replace: '    const kind = VALUE\n',
  },
  {
    name: 'delta-lost',
    what: 'what a failed checkpoint could not write is not in the next one either',
    file: 'engine/state/keyed-state-store.ts',
    find: '      this.#carried = news\n',
    replace: '',
  },
  {
    name: 'delta-dropped-from-chain',
    what: 'a new delta takes the place of those before it',
    file: 'engine/state/snapshot-chain.ts',
    find: '        this.#references = [...this.#references, written]\n',
    replace: '        this.#references = base === undefined ? [written] : [base, written]\n',
  },
  {
    name: 'wrong-groups-restored',
    what: 'a subtask restores one key group too few after a rescale (FLINK-31963)',
    file: 'engine/state/state-restore.ts',
    find: '      if (files.some((file) => overlaps(file.header.range, task.range))) {\n',
    replace:
      '      if (files.some((file) => file.header.range.first >= task.range.first && file.header.range.first <= task.range.last)) {\n',
  },
  {
    name: 'foreign-chain-adopted',
    what: 'after a rescale the chain of one old subtask goes on as the whole state',
    file: 'engine/state/snapshot-chain.ts',
    find: "  if (facts.isForeign) return 'merge-all'\n",
    replace: '',
  },
  {
    name: 'finished-split-read-again',
    what: 'a split that has ended is read again after the second restore (FLINK-20418)',
    file: 'engine/task/source-driver.ts',
    find: '    const states: SplitState[] = [...this.#finished.values()]\n',
    replace: '    const states: SplitState[] = []\n',
  },
  {
    name: 'position-off-by-one',
    what: 'a source goes on one record too early (FLINK-4618)',
    file: 'connectors/generator/generator-source.ts',
    find: 'position: made, finished }',
    replace: 'position: Math.max(0, made - 1), finished }',
  },
  {
    name: 'watermark-not-restored',
    what: 'a restored step does not know how far event time had come (FLINK-36663)',
    file: 'engine/job/deployment.ts',
    find: 'Math.max(...restored.map((operator) => startWatermark(operator, own)))',
    replace: 'Math.min(-Infinity, ...restored.map((operator) => startWatermark(operator, own)))',
  },
  {
    name: 'broadcast-not-restored',
    what: 'broadcast state comes back in the first subtask only',
    file: 'engine/worker/state-files.ts',
    find: '    if (restored?.broadcast !== undefined) {\n',
    replace: '    if (restored?.broadcast !== undefined && this.#subtask === 0) {\n',
  },
]

export const mutants: readonly Mutant[] = [...durability, ...commit, ...coordination, ...state]
