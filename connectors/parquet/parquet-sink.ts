import { readWholeFile, schemaData, sinkOf, StreamError } from '../../engine/index.ts'
import type { Files, SchemaData, Sink, StructSchema } from '../../engine/index.ts'
import { FileCommitter } from '../files/file-committer.ts'
import { checkDirectory } from '../files/file-sink.ts'
import { partitioning, partitionJson } from '../files/partitioning.ts'
import type { PartitionOptions } from '../files/partitioning.ts'
import { publishedFiles } from '../files/published-files.ts'
import { checkStaging } from '../files/staging.ts'
import { describe } from '../formats/unfit.ts'
import { ParquetWriter } from './parquet-writer.ts'

const COMPRESSIONS = ['none', 'snappy', 'gzip', 'zstd', 'brotli', 'lz4'] as const
const ROW_GROUP_ROWS = 65_536
const FILE_BYTES_MAX = 256 * 1_024 * 1_024
const DECIMAL_PRECISION_MAX = 38
const ENDING = '.parquet'

export interface ParquetSinkOptions<V> extends PartitionOptions<V> {
  /** The table: files appear in it after their checkpoint, each complete. */
  readonly directory: string
  readonly schema: StructSchema<V>
  /** 'snappy' when left out. */
  readonly compression?: (typeof COMPRESSIONS)[number]
  /** Rows of a row group; 65,536 when left out. */
  readonly rowGroupRows?: number
  /** A file that has got this large is closed and another begun; 256 MiB when left out. */
  readonly fileBytesMax?: number
}

/** Records as Parquet, each exactly once: staged, then linked in when the checkpoint is complete. */
export function parquetSink<V>(options: ParquetSinkOptions<V>): Sink<V> {
  const { directory, compression = 'snappy' } = options
  const { rowGroupRows = ROW_GROUP_ROWS, fileBytesMax = FILE_BYTES_MAX } = options
  checkDirectory(directory, 'parquetSink')
  const schema = schemaData(options.schema)
  if (schema.kind !== 'struct') {
    throw new StreamError('OPTION_INVALID', `the "schema" of parquetSink is ${describe(schema)}`, {
      hint: 'Declare the columns with struct({ … }).',
    })
  }
  checkColumn('the schema', schema)
  if (!COMPRESSIONS.includes(compression)) {
    throw invalid('compression', compression, `one of ${COMPRESSIONS.join(', ')}`)
  }
  if (!(Number.isSafeInteger(rowGroupRows) && rowGroupRows > 0)) {
    throw invalid('rowGroupRows', rowGroupRows, 'a whole number above 0')
  }
  if (!(Number.isSafeInteger(fileBytesMax) && fileBytesMax > 0)) {
    throw invalid('fileBytesMax', fileBytesMax, 'a whole number above 0')
  }
  const partitioningFor = partitioning('parquetSink', schema, options)
  const layout = { schema, compression, rowGroupRows }
  return sinkOf<V>({
    kind: 'parquet',
    parameters: {
      directory,
      compression,
      rowGroupRows,
      fileBytesMax,
      partitionBy: partitionJson(options),
    },
    publishes: { folder: directory, ending: ENDING },
    schema,
    createWriter: (context) =>
      new ParquetWriter(
        { directory, layout, fileBytesMax, partitioning: partitioningFor?.(context.uid) },
        context,
      ),
    createCommitter: (context) => new FileCommitter(directory, context),
    check: (uid, files) => checkStaging(directory, uid, files),
    load: async () => {
      await import('./parquet-file.ts')
    },
    published: ({ files }) => published(files, directory),
  })
}

async function published(files: Files, directory: string): Promise<readonly string[]> {
  const { parquetRows } = await import('./parquet-rows.ts')
  const texts: string[] = []
  for (const { path, folder } of await publishedFiles(files, directory, ENDING)) {
    const rows = await parquetRows(await readWholeFile(files, path), path)
    for (const row of rows) texts.push(folder === '' ? row : `${folder} ${row}`)
  }
  return texts
}

function invalid(option: string, found: unknown, wanted: string): StreamError {
  return new StreamError('OPTION_INVALID', `"${option}" of parquetSink is ${String(found)}`, {
    hint: `Give it ${wanted}, or leave it out.`,
  })
}

function checkColumn(name: string, schema: SchemaData): void {
  const refuse = (what: string, hint: string): never => {
    throw new StreamError('FIELD_TYPE', `${name} is ${what}, which Parquet has no column for`, {
      hint,
    })
  }
  switch (schema.kind) {
    case 'packed':
      return refuse('packed', 'Declare its schema, or pick other fields.')
    case 'nullable':
      checkColumn(name, schema.of)
      return
    case 'list':
      checkColumn(`${name}[]`, schema.item)
      return
    case 'struct':
      if (schema.fields.length === 0) refuse('a struct with no fields', 'Declare at least one.')
      for (const field of schema.fields) checkColumn(`"${field.name}"`, field.schema)
      return
    case 'decimal':
      if (schema.precision > DECIMAL_PRECISION_MAX) {
        refuse(describe(schema), `Decimals have at most ${DECIMAL_PRECISION_MAX} digits.`)
      }
      return
    default:
      return
  }
}
