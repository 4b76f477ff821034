/** Where jobs read from and write to: `millrace/connectors`. */
export { collectionSource } from './collection/collection-source.ts'
export type { Format } from './formats/format.ts'
export { generatorSource } from './generator/generator-source.ts'
export type { GeneratorOptions } from './generator/generator-source.ts'
export { printSink } from './print/print-sink.ts'
