import { resolve } from 'node:path'
import { sourceOf, StreamError } from '../../engine/index.ts'
import type { Source } from '../../engine/index.ts'
import { formatDefinition } from '../formats/format.ts'
import type { Format } from '../formats/format.ts'
import { FileEnumerator } from './file-enumerator.ts'
import { findFiles } from './file-pattern.ts'
import { FileReader } from './file-reader.ts'

export interface FileSourceOptions<V> {
  /** A file, a folder, or a pattern such as `./books/*.txt`. Names that end in .gz are gzip. */
  readonly path: string
  readonly format: Format<V>
  /**
   * Goes on for ever: new files and lines appended to known ones are read. A line without a line
   * break is waited for. Compressed files are read once: move them in when they are complete.
   */
  readonly watch?: boolean
}

/**
 * Records of files. A file is a split; large uncompressed files of lines are cut into ranges. The
 * offset of a record is its line, in a range its byte.
 */
export function fileSource<V>(options: FileSourceOptions<V>): Source<V> {
  const { path, watch = false } = options
  if (typeof path !== 'string' || path === '') {
    throw new StreamError('OPTION_INVALID', 'the "path" of fileSource is empty', {
      hint: 'Name a file, a folder or a pattern.',
    })
  }
  const format = formatDefinition(options.format)
  const { framing } = format
  const cuttable = !framing.header && !framing.quoted
  return sourceOf<V>({
    kind: 'files',
    parameters: { path, format: format.kind, watch },
    schema: format.schema,
    bounded: !watch,
    inputs: async (files) => (await findFiles(files, path)).map((file) => resolve(file.path)),
    createEnumerator: (context) => new FileEnumerator(path, watch, cuttable, context),
    createReader: (context) => new FileReader(format, context),
  })
}
