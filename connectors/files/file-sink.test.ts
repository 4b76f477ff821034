import { mkdir, mkdtemp, readdir, readFile, rm, stat, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { RecordBatch, schemaOf, sinkDefinition, systemFiles } from '../../engine/index.ts'
import type { Committer, Files, Json, TargetMarker } from '../../engine/index.ts'
import { committablesOf, Crash, crashingFiles, testDoors, writerContext } from '../testing.ts'
import { fileSink } from './file-sink.ts'

let root = ''
let table = ''

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'millrace-sink-'))
  table = join(root, 'out/table')
})
afterEach(() => rm(root, { recursive: true }))

interface Row {
  readonly id: number
  readonly name: string
}
const schema = schemaOf<Row>({
  kind: 'struct',
  fields: [
    { name: 'id', schema: { kind: 'int32' } },
    { name: 'name', schema: { kind: 'utf8' } },
  ],
})
const marker: TargetMarker = { lineage: 'l1', instance: 'i1', checkpointId: 1 }

function definition() {
  return sinkDefinition(fileSink<Row>({ directory: table, schema }))
}

function committer(files: Files = systemFiles): Committer {
  return definition().createCommitter!({ uid: 'sink', job: 'job', doors: testDoors({ files }) })
}

function row(id: number): Row {
  return { id, name: `né "${id}"\n` }
}

async function write(ids: readonly number[], life = '1', subtask = 0): Promise<readonly Json[]> {
  const writer = definition().createWriter(writerContext({ life, subtask }))
  await writer.open!()
  writer.write(RecordBatch.ofRows(ids.map(row)))
  const effects = await writer.prepareCommit(1)
  await writer.close()
  return effects
}

/** Every record that a reader of the table finds, in order of id. */
async function published(): Promise<number[]> {
  const names = await readdir(table).catch(() => [])
  const ids: number[] = []
  for (const name of names.filter((each) => each.endsWith('.jsonl'))) {
    const lines = (await readFile(join(table, name), 'utf8')).split('\n')
    expect(lines.pop()).toBe('')
    for (const line of lines) {
      const parsed = JSON.parse(line) as Row
      expect(parsed).toEqual(row(parsed.id))
      ids.push(parsed.id)
    }
  }
  return ids.sort((left, right) => left - right)
}

async function staged(): Promise<string[]> {
  return readdir(`${table}.staging/sink`)
}

test('nothing is seen before the commit, everything after it, and the marker says so', async () => {
  const effects = await write([1, 2, 3])
  expect(effects).toHaveLength(1)
  expect(await published()).toEqual([])
  expect(await staged()).toHaveLength(1)
  expect(await committer().readMarker()).toBeUndefined()
  await committer().commit(committablesOf(effects), marker)
  expect(await published()).toEqual([1, 2, 3])
  expect(await committer().readMarker()).toEqual(marker)
  expect(await staged()).toEqual([])
})

test('what is written after the barrier belongs to the next checkpoint', async () => {
  const writer = definition().createWriter(writerContext())
  await writer.open!()
  writer.write(RecordBatch.ofRows([row(1)]))
  const first = writer.prepareCommit(1)
  writer.write(RecordBatch.ofRows([row(2)]))
  const second = writer.prepareCommit(2)
  const third = writer.prepareCommit(3)
  await committer().commit(committablesOf(await first), marker)
  expect(await published()).toEqual([1])
  await committer().commit(committablesOf(await second, 2), { ...marker, checkpointId: 2 })
  expect(await published()).toEqual([1, 2])
  expect(await third).toEqual([])
  await writer.close()
})

test('a commit that crashes anywhere is finished by the next one, without doubles', async () => {
  const trial = async (crashAt: number, after: boolean): Promise<boolean> => {
    table = join(root, `table-${crashAt}-${String(after)}`)
    const effects = [...(await write([1, 2], 'a')), ...(await write([3], 'b', 1))]
    const committables = committablesOf(effects)
    const { files, calls } = crashingFiles(crashAt, after)
    const crashed = await committer(files)
      .commit(committables, marker)
      .then(
        () => false,
        (error: unknown) => {
          expect(error).toMatchObject({ code: 'SINK_COMMIT_FAILED' })
          expect((error as Error).cause).toBeInstanceOf(Crash)
          return true
        },
      )
    // As the engine decides: at or below the marker everything is done.
    const found = await committer().readMarker()
    if (found === undefined) await committer().commit(committables, marker)
    else expect(found).toEqual(marker)
    await committer().sweep([])
    expect(await published()).toEqual([1, 2, 3])
    expect(await staged()).toEqual([])
    return crashed && calls() > crashAt
  }
  for (const after of [false, true]) {
    let crashAt = 0
    while (await trial(crashAt, after)) crashAt += 1
    expect(crashAt).toBeGreaterThan(8)
  }
})

test('a staged file that is gone or cut short is a loud failure with its name', async () => {
  const effects = await write([1])
  const [name] = await staged()
  const path = join(`${table}.staging/sink`, name!)
  await writeFile(path, 'short')
  const commit = () => committer().commit(committablesOf(effects), marker)
  await expect(commit()).rejects.toMatchObject({ code: 'STAGED_FILE_MISSING' })
  await unlink(path)
  await expect(commit()).rejects.toThrow(path)
  expect(await committer().readMarker()).toBeUndefined()
})

test('a name that somebody else has taken is a conflict, and is not replaced', async () => {
  const effects = await write([1])
  const { target } = effects[0] as { target: string }
  await writeFile(join(table, target), 'theirs')
  await expect(committer().commit(committablesOf(effects), marker)).rejects.toMatchObject({
    code: 'SINK_TARGET_CONFLICT',
  })
  expect(await readFile(join(table, target), 'utf8')).toBe('theirs')
})

test('a staged file that was brought back as a copy is known again by its content', async () => {
  const effects = await write([1, 2])
  const name = (effects[0] as { staged: string }).staged
  const path = join(`${table}.staging/sink`, name)
  const content = await readFile(path)
  await committer().commit(committablesOf(effects), marker)
  await writeFile(path, content)
  await committer().commit(committablesOf(effects), { ...marker, checkpointId: 2 })
  expect(await published()).toEqual([1, 2])
  const other = Buffer.from(content)
  other.writeUInt8(0, other.length - 1)
  await writeFile(path, other)
  await expect(committer().commit(committablesOf(effects), marker)).rejects.toMatchObject({
    code: 'SINK_TARGET_CONFLICT',
  })
})

test('the sweep removes what lost lives left, and keeps what is named', async () => {
  const kept = await write([1], 'kept')
  await write([2], 'lost')
  expect(await staged()).toHaveLength(2)
  await committer().sweep(committablesOf(kept))
  expect(await staged()).toHaveLength(1)
  expect(committer().stagedFiles(committablesOf(kept))).toEqual([
    join(`${table}.staging/sink`, (await staged())[0]!),
  ])
  await committer().commit(committablesOf(kept), marker)
  expect(await published()).toEqual([1])
})

test('a refused record names its field, the sink and its offset', async () => {
  const context = writerContext()
  const writer = definition().createWriter(context)
  await writer.open!()
  const rows = [row(1), { id: 1.5, name: 'x' }]
  const offsets = Float64Array.of(811, 812)
  const batch = new RecordBatch(2, rows, undefined, undefined, undefined, 0, offsets)
  expect(() => writer.write(batch)).toThrow('"id" of "sink" is int32, the value is 1.5')
  expect(() => writer.write(batch)).toThrow(
    expect.objectContaining({ code: 'VALUE_UNFIT', place: { offset: 812 } }),
  )
  expect(context.recordIndex).toBe(1)
  await writer.close()
})

test('a full disk fails the checkpoint', async () => {
  const { files } = crashingFiles(12, false)
  const context = writerContext({ doors: { files } })
  const writer = definition().createWriter(context)
  await writer.open!().catch(() => undefined)
  writer.write(RecordBatch.ofRows([row(1)]))
  await expect(writer.prepareCommit(1)).rejects.toMatchObject({ code: 'FILE_IO' })
  await expect(context.kicked()).rejects.toMatchObject({ code: 'FILE_IO' })
  await writer.close()
})

test('a file beyond a limit is refused, as waiting does not help', async () => {
  const files: Files = {
    ...systemFiles,
    async open(path, mode) {
      const handle = await systemFiles.open(path, mode)
      handle.write = () => Promise.reject(Object.assign(new Error('too large'), { code: 'EFBIG' }))
      return handle
    },
  }
  const context = writerContext({ doors: { files } })
  const writer = definition().createWriter(context)
  await writer.open!()
  writer.write(RecordBatch.ofRows([row(1)]))
  const refused = { code: 'FILE_REFUSED', hint: expect.stringContaining('ulimit -f') as string }
  await expect(writer.prepareCommit(1)).rejects.toMatchObject(refused)
  await expect(context.kicked()).rejects.toMatchObject(refused)
  await writer.close()
})

test('a table folder that cannot be linked into is refused at the start', async () => {
  const files: Files = {
    ...systemFiles,
    link: () => Promise.reject(Object.assign(new Error('cross-device'), { code: 'EXDEV' })),
  }
  const writer = definition().createWriter(writerContext({ doors: { files } }))
  await expect(writer.open!()).rejects.toMatchObject({ code: 'OPTION_INVALID' })
  await mkdir(root, { recursive: true })
  await writeFile(join(root, 'file'), '')
  table = join(root, 'file/table')
  const blocked = definition().createWriter(writerContext())
  const refused = {
    code: 'FILE_REFUSED',
    hint: expect.stringContaining('A file stands where') as string,
  }
  await expect(blocked.open!()).rejects.toMatchObject(refused)
  await expect(definition().check!('sink', systemFiles)).rejects.toMatchObject(refused)
  expect((await stat(join(root, 'file'))).size).toBe(0)
})

test('odd directories are refused, odd uids are not', async () => {
  for (const directory of ['', '.', '..', '/']) {
    expect(() => fileSink({ directory, schema })).toThrow(/"directory" of fileSink/)
  }
  const writer = definition().createWriter(writerContext({ uid: '../a b/é' }))
  await writer.open!()
  expect(await readdir(`${table}.staging`)).toEqual(['%2e%2e%2fa%20b%2f%c3%a9'])
  await writer.close()
})

test('many records flow to the disk in pieces, and the sink says when it is full', async () => {
  const writer = definition().createWriter(writerContext())
  await writer.open!()
  const ids = Array.from({ length: 1_024 }, (_, index) => index)
  let written = 0
  while (writer.ready() && written < 2_000_000) {
    writer.write(RecordBatch.ofRows(ids.map((id) => row(written + id))))
    written += ids.length
  }
  expect(writer.ready()).toBe(false)
  await committer().commit(committablesOf(await writer.prepareCommit(1)), marker)
  expect(writer.ready()).toBe(true)
  expect((await published()).length).toBe(written)
})

test('what is published is told in its order: by checkpoint, subtask and sequence', async () => {
  const seen = (): Promise<readonly string[]> => definition().published!(testDoors())
  expect(await seen()).toEqual([])
  for (const [life, subtask, id] of [
    ['10', 0, 4],
    ['9', 10, 3],
    ['9', 2, 2],
  ] as const) {
    await committer().commit(committablesOf(await write([id, id * 10], life, subtask)), marker)
  }
  await writeFile(join(table, 'foreign.jsonl'), 'anything')
  await writeFile(join(table, '.hidden.jsonl'), 'hidden')
  const expected = [2, 20, 3, 30, 4, 40].map((id) => JSON.stringify(row(id)))
  expect(await seen()).toEqual([...expected, 'anything'])
})

test('a committable that leads out of its folder is refused', async () => {
  const names = [
    { staged: '../../secret', target: 'a.jsonl' },
    { staged: 'a', target: '../a.jsonl' },
    { staged: 'a', target: '/a.jsonl' },
    { staged: 'a', target: 'day=1/../../a.jsonl' },
    { staged: '..', target: 'a.jsonl' },
  ]
  for (const name of names) {
    const [committable] = committablesOf([{ ...name, bytes: 1 }])
    const refused = { code: 'CHECKPOINT_DAMAGED' }
    await expect(committer().commit([committable!], marker)).rejects.toMatchObject(refused)
    expect(() => committer().stagedFiles([committable!])).toThrow('outside of its folder')
  }
})
