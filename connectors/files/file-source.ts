import { resolve } from 'node:path'
import { sourceOf, StreamError } from '../../engine/index.ts'
import type { MalformedOutput, OnMalformed, Source } from '../../engine/index.ts'
import { formatDefinition } from '../formats/format.ts'
import type { Format } from '../formats/format.ts'
import { onMalformedOf } from '../formats/malformed.ts'
import { FileEnumerator, noFile } from './file-enumerator.ts'
import { findFiles, wouldFind } from './file-pattern.ts'
import { FileReader } from './file-reader.ts'
import { isRange } from './file-split.ts'
import type { FileSplit } from './file-split.ts'

export interface FileSourceOptions<V> {
  /** A file, a folder, or a pattern such as `./books/*.txt`. Names that end in .gz are gzip. */
  readonly path: string
  readonly format: Format<V>
  /**
   * Goes on for ever: new files and lines appended to known ones are read. A line without a line
   * break is waited for. Compressed files are read once: move them in when they are complete.
   */
  readonly watch?: boolean
  /**
   * What a record that cannot be decoded does. 'fail' (the default) fails the job and names file
   * and line; 'skip' counts and logs it; 'dead-letter' emits it to the side output `malformed`. A
   * file whose header is wrong, or that cannot be read at all, always fails the job.
   */
  readonly onMalformed?: OnMalformed
  /**
   * The files follow each other in event time, in the order of their names, character by character:
   * a watermark waits for the earliest that has not been read, not for all.
   */
  readonly inOrder?: boolean
}

/**
 * Records of files. A file is a split; large uncompressed files of lines are cut into ranges. The
 * offset of a record is its line, in a range its byte.
 */
export function fileSource<V, const M extends OnMalformed = 'fail'>(
  options: FileSourceOptions<V> & { readonly onMalformed?: M },
): Source<V, MalformedOutput<M>> {
  const { path, watch = false, inOrder = false } = options
  if (typeof path !== 'string' || path.trim() === '') {
    throw new StreamError('OPTION_INVALID', 'the "path" of fileSource is empty', {
      hint: 'Name a file, a folder or a pattern.',
    })
  }
  const format = formatDefinition(options.format)
  const { framing } = format
  const onMalformed = onMalformedOf('fileSource', options.onMalformed)
  const cuttable = !framing.header && !framing.quoted
  return sourceOf<V, MalformedOutput<M>>({
    kind: 'files',
    parameters: { path, format: format.kind, watch, ...(inOrder ? { inOrder } : {}), onMalformed },
    schema: format.schema,
    bounded: !watch,
    onMalformed,
    offsetUnit: (start) => (isRange(start as unknown as FileSplit) ? 'byte' : 'line'),
    inputs: async (files) => (await findFiles(files, path)).map((file) => resolve(file.path)),
    check: async (files) => {
      const found = await findFiles(files, path, watch)
      for (const file of found) await (await files.open(file.path, 'read')).close()
      return found.length > 0 || watch ? undefined : noFile(path)
    },
    wouldRead: (own, files) => wouldFind(files, path, own),
    createEnumerator: (context) => new FileEnumerator({ path, watch, cuttable, inOrder }, context),
    createReader: (context) => new FileReader(format, onMalformed, context),
  })
}
