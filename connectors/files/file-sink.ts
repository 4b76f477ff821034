import { schemaData, schemaOf, sinkOf, StreamError } from '../../engine/index.ts'
import type { Schema, Sink } from '../../engine/index.ts'
import { formatDefinition } from '../formats/format.ts'
import { json } from '../formats/json-format.ts'
import { FileCommitter } from './file-committer.ts'
import { LINES_EXTENSION, LinesWriter } from './lines-writer.ts'
import { partitioning, partitionJson, withoutColumns } from './partitioning.ts'
import type { PartitionOptions } from './partitioning.ts'
import { publishedLines } from './published-files.ts'
import { checkStaging } from './staging.ts'

export interface FileSinkOptions<V> extends PartitionOptions<V> {
  /** Files appear here after their checkpoint, `<name>.jsonl`, each complete. */
  readonly directory: string
  readonly schema: Schema<V>
}

/** Records as JSON lines, each exactly once: staged, then linked in when the checkpoint is complete. */
export function fileSink<V>(options: FileSinkOptions<V>): Sink<V> {
  const { directory } = options
  checkDirectory(directory, 'fileSink')
  const schema = schemaData(options.schema)
  const format = formatDefinition(json(options.schema))
  const partitioningFor = partitioning('fileSink', schema, options)
  return sinkOf<V>({
    kind: 'files',
    parameters: { directory, format: format.kind, partitionBy: partitionJson(options) },
    publishes: { folder: directory, ending: LINES_EXTENSION },
    schema,
    createWriter: (context) =>
      new LinesWriter(
        {
          directory,
          partitioning: partitioningFor?.(context.uid),
          encoderWithout: (columns) => {
            const written = formatDefinition(json(schemaOf(withoutColumns(schema, columns))))
            return written.createEncoder(context.uid)
          },
        },
        context,
      ),
    createCommitter: (context) => new FileCommitter(directory, context),
    check: (uid, files) => checkStaging(directory, uid, files),
    published: ({ files }) => publishedLines(files, directory, LINES_EXTENSION),
  })
}

export function checkDirectory(directory: unknown, sink: string): void {
  if (typeof directory === 'string' && !/^\s*\.?\.?\/*\s*$/.test(directory)) return
  throw new StreamError(
    'OPTION_INVALID',
    `the "directory" of ${sink} is ${JSON.stringify(directory)}`,
    {
      hint: 'Name a folder of its own: its staging folder stands beside it.',
    },
  )
}
