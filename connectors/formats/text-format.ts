import { StreamError } from '../../engine/index.ts'
import { formatOf } from './format.ts'
import type { Format } from './format.ts'
import { TextReader } from './text-bytes.ts'

/** Plain text in UTF-8: in files every line is a record, without its line break. */
export function text(): Format<string> {
  return formatOf<string>({
    kind: 'text',
    parameters: {},
    schema: { kind: 'utf8' },
    framing: { quoted: false, header: false, skipsEmpty: false },
    createDecoder() {
      const reader = new TextReader()
      return { many: false, decode: (bytes, start, end) => reader.read(bytes, start, end) }
    },
    createEncoder: () => ({ encode: encodeLine }),
  })
}

function encodeLine(record: unknown): string {
  if (typeof record === 'string') return record
  throw new StreamError('VALUE_UNFIT', `the record is text, the value is ${typeof record}`, {
    hint: 'Map the records to text before.',
  })
}
